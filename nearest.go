package main

// nearest returns the name that somebody may have meant by word, and nothing
// when none is like it.
func nearest(word string, names []string) string {
	best, limit := "", max(1, len(word)/3)
	for _, name := range names {
		if d := edits(word, name); d <= limit {
			best, limit = name, d-1
		}
	}
	return best
}

// edits returns how many letters must be put in, taken out or changed to make
// b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
