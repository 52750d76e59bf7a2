package templates

import (
	"slices"
	"strconv"
	"strings"
)

// The box of a sparkline; see Figure.
const (
	sparkWidth  = 100.0
	sparkHeight = 28.0
	sparkEdge   = 2.0 // room for the line's own width
)

// sparkLine is the path of a line through points, which fill the box's width.
// Its floor is zero, or the smallest point where that is below.
func sparkLine(points []float64) string {
	low, high := min(0, slices.Min(points)), slices.Max(points)
	if high <= low {
		high = low + 1
	}
	var b strings.Builder
	for i, p := range points {
		if i == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		x := sparkWidth * float64(i) / float64(len(points)-1)
		y := sparkHeight - sparkEdge - (p-low)/(high-low)*(sparkHeight-2*sparkEdge)
		b.WriteString(strconv.FormatFloat(x, 'f', 1, 64))
		b.WriteByte(' ')
		b.WriteString(strconv.FormatFloat(y, 'f', 1, 64))
	}
	return b.String()
}

// sparkArea is what is below the line.
func sparkArea(points []float64) string {
	return sparkLine(points) + "L100 28L0 28Z"
}
