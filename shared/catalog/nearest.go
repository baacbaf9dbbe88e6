package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// maxNearest bounds the length of names that are compared: nobody mistypes a
// longer one, and the cost grows with its square.
const maxNearest = 128

// Nearest returns at most n names of models that a client may have meant by
// name, the likeliest first: those that begin with it and those that differ by
// a few letters. With or without the provider counts as the same.
func (x *Index) Nearest(name string, n int) []string {
	name = strings.ToLower(name)
	name, _ = cutLatest(name)
	if name == "" || len(name) > maxNearest || n <= 0 {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	limit := max(2, len(name)/3)
	for _, l := range x.listed {
		d := min(
			distance(name, strings.ToLower(l.Model.ID), limit),
			distance(name, strings.ToLower(qualified(l.Target, l.Model.ID)), limit),
		)
		if d <= limit {
			near = append(near, candidate{l.Name, d})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	names := make([]string, 0, min(n, len(near)))
	for _, c := range near[:min(n, len(near))] {
		names = append(names, c.name)
	}
	return names
}

// distance returns how many letters must be changed to make b of a, one at the
// most where b begins with a, and more than limit when it exceeds limit.
func distance(a, b string, limit int) int {
	if strings.HasPrefix(b, a) {
		return min(1, len(b)-len(a))
	}
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	// Two rows of the classic table; a row that is over the limit throughout
	// stays so.
	previous, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		best := row[0]
		for j := range len(b) {
			substitute := previous[j]
			if a[i] != b[j] {
				substitute++
			}
			row[j+1] = min(substitute, previous[j+1]+1, row[j]+1)
			best = min(best, row[j+1])
		}
		if best > limit {
			return limit + 1
		}
		previous, row = row, previous
	}
	return previous[len(b)]
}
