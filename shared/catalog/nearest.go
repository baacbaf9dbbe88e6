package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// maxNearest bounds the length of names that are compared: nobody mistypes a
// longer one, and the cost grows with its square.
const maxNearest = 128

// maxEdits is how many letters of the longest name may be wrong.
const maxEdits = maxNearest / 3

// A spelling is a name of a listed model, ready to be compared with what
// somebody types.
type spelling struct {
	text   string // in lower case, without :latest
	shown  string // as the model is listed
	common int    // with how many letters of the spelling before it begins the same
}

// spellings returns the names of models with the provider and without, sorted.
func spellings(listed []Listed) []spelling {
	all := make([]spelling, 0, 2*len(listed))
	for _, l := range listed {
		full := foldedAlias(qualified(l.Target, l.Model.ID))
		_, id, _ := strings.Cut(full, "/")
		all = append(all, spelling{text: full, shown: l.Name}, spelling{text: id, shown: l.Name})
	}
	slices.SortFunc(all, func(a, b spelling) int { return cmp.Compare(a.text, b.text) })
	for i := 1; i < len(all); i++ {
		a, b := all[i-1].text, all[i].text
		n := 0
		for n < len(a) && n < len(b) && a[n] == b[n] {
			n++
		}
		all[i].common = n
	}
	return all
}

// Nearest returns at most n names of models that a client may have meant by
// name, the likeliest first: those that begin with it and those that differ by
// a few letters. With or without the provider counts as the same.
func (x *Index) Nearest(name string, n int) []string {
	name = foldedAlias(name)
	if name == "" || len(name) > maxNearest || n <= 0 {
		return nil
	}
	s := search{name: name, limit: max(2, len(name)/3), most: n}
	for j := range len(name) + 1 {
		s.table[0][j] = uint8(j)
	}
	spellings := x.spellings()
	for i := range spellings {
		s.compare(&spellings[i])
	}
	names := make([]string, len(s.found))
	for i, f := range s.found {
		names[i] = f.name
	}
	return names
}

// A search is for the names that are nearest to one.
type search struct {
	name  string
	limit int // what is further away is of no use
	most  int // how many are wanted
	found []found

	// The classic table of edits, a row for each letter of a spelling. The
	// next spelling, of those that are sorted, needs only the rows of those
	// letters that are not the same.
	table [maxNearest + maxEdits + 1][maxNearest + 1]uint8
	valid int // rows that are the spelling's, besides the first
	over  int // the row that is over the limit throughout, and so are all behind it; 0: none
}

type found struct {
	name     string
	distance int
}

// compare takes a spelling among what is found, if it belongs there. It has to
// be called for all, in their order.
func (s *search) compare(p *spelling) {
	if s.valid = min(s.valid, p.common); s.valid < s.over {
		s.over = 0
	}
	switch {
	case strings.HasPrefix(p.text, s.name):
		s.take(p.shown, min(1, len(p.text)-len(s.name)))
	case s.over > 0, len(p.text) > len(s.name)+s.limit, len(p.text) < len(s.name)-s.limit:
	case s.fill(p.text):
		s.take(p.shown, int(s.table[len(p.text)][len(s.name)]))
	}
}

// fill fills in the rows of text; it reports whether that made sense to the end.
func (s *search) fill(text string) bool {
	for s.valid < len(text) {
		s.valid++
		if !s.fillRow(s.valid, text[s.valid-1]) {
			s.over = s.valid
			return false
		}
	}
	return true
}

// fillRow fills in row i, of a letter, as far as it can be within the limit; it
// reports whether anything in it is.
func (s *search) fillRow(i int, letter byte) bool {
	above, row := &s.table[i-1], &s.table[i]
	none := uint8(s.limit + 1)
	from, to := max(1, i-s.limit), min(len(s.name), i+s.limit)
	row[from-1] = none
	if from == 1 {
		row[0] = uint8(i)
	}
	best := row[from-1]
	for j := from; j <= to; j++ {
		edits := above[j-1]
		if s.name[j-1] != letter {
			edits++
		}
		if j < i+s.limit { // beyond that there is nothing above
			edits = min(edits, above[j]+1)
		}
		row[j] = min(edits, row[j-1]+1)
		best = min(best, row[j])
	}
	return best < none
}

// take takes a name at a distance, where it is among the nearest.
func (s *search) take(name string, distance int) {
	if distance > s.limit {
		return
	}
	for i, f := range s.found {
		if f.name == name {
			if f.distance <= distance {
				return
			}
			s.found = slices.Delete(s.found, i, i+1)
			break
		}
	}
	f := found{name, distance}
	i, _ := slices.BinarySearchFunc(s.found, f, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	if s.found = slices.Insert(s.found, i, f); len(s.found) > s.most {
		s.found = s.found[:s.most]
	}
	if len(s.found) == s.most {
		s.limit = s.found[s.most-1].distance
	}
}
