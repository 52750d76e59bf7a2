package web

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// WCAG 2: how much what is read, and what only has to be seen, must stand out.
const (
	readable = 4.5
	visible  = 3.0
)

// Every colour stands out enough from each surface that it is used on, in both
// themes.
func TestContrast(t *testing.T) {
	t.Parallel()
	themes := colours(t)
	surfaces := []string{"surface", "raised", "sunken"}
	soft := []string{"wait-soft", "broken-soft", "accent-soft"}
	pairs := []struct {
		colour string
		on     []string
		want   float64
	}{
		{"text", append(soft, surfaces...), 7},
		{"muted", append(soft, surfaces...), readable},
		{"accent", append([]string{"accent-soft"}, surfaces...), readable},
		{"well", surfaces, readable},
		{"wait", append([]string{"wait-soft", "accent-soft"}, surfaces...), readable},
		{"broken", append([]string{"broken-soft", "wait-soft", "accent-soft"}, surfaces...), readable},
		{"off", surfaces, readable},
		{"on-accent", []string{"accent"}, readable},
		{"on-broken", []string{"broken"}, readable},
		{"field", surfaces, visible},
		{"accent", append(soft, surfaces...), visible}, // the focus ring
	}
	for name, theme := range themes {
		for _, p := range pairs {
			for _, on := range p.on {
				fore, ok := theme[p.colour]
				back, ok2 := theme[on]
				if !ok || !ok2 {
					t.Fatalf("the style sheet lacks --%s or --%s", p.colour, on)
				}
				if got := contrast(fore, back); got < p.want {
					t.Errorf("%s: --%s on --%s is %.2f, want at least %.1f", name, p.colour, on, got, p.want)
				}
			}
		}
	}
}

// The formula gives what is known of black, white and a grey.
func TestContrastFormula(t *testing.T) {
	t.Parallel()
	black, white, grey := oklch(0, 0, 0), oklch(1, 0, 0), oklch(0.5999, 0, 0) // the grey is #808080
	if got := contrast(white, black); math.Abs(got-21) > 0.01 {
		t.Errorf("white on black is %.3f, want 21", got)
	}
	if got := contrast(grey, white); math.Abs(got-3.95) > 0.01 {
		t.Errorf("grey on white is %.3f, want 3.95", got)
	}
	if got := contrast(oklch(0.62796, 0.25768, 29.234), white); math.Abs(got-4.0) > 0.01 { // pure red
		t.Errorf("red on white is %.3f, want 4.00", got)
	}
}

// colours reads the roles of the style sheet: luminance by theme and role.
func colours(t *testing.T) map[string]map[string]float64 {
	t.Helper()
	sheet, err := static.ReadFile("static/console.css")
	if err != nil {
		t.Fatal(err)
	}
	role := regexp.MustCompile(`--([a-z-]+): light-dark\(oklch\(([\d.]+) ([\d.]+) ([\d.]+)\), oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)\);`)
	themes := map[string]map[string]float64{"light": {}, "dark": {}}
	for _, m := range role.FindAllStringSubmatch(string(sheet), -1) {
		var n [6]float64
		for i := range n {
			if n[i], err = strconv.ParseFloat(m[i+2], 64); err != nil {
				t.Fatal(err)
			}
		}
		themes["light"][m[1]] = oklch(n[0], n[1], n[2])
		themes["dark"][m[1]] = oklch(n[3], n[4], n[5])
	}
	return themes
}

// oklch is the relative luminance of a colour, as an sRGB screen shows it.
func oklch(lightness, chroma, hue float64) float64 {
	sin, cos := math.Sincos(hue * math.Pi / 180)
	a, b := chroma*cos, chroma*sin
	l := cube(lightness + 0.3963377774*a + 0.2158037573*b)
	m := cube(lightness - 0.1055613458*a - 0.0638541728*b)
	s := cube(lightness - 0.0894841775*a - 1.2914855480*b)
	red := +4.0767416621*l - 3.3077115913*m + 0.2309699292*s
	green := -1.2684380046*l + 2.6097574011*m - 0.3413193965*s
	blue := -0.0041960863*l - 0.7034186147*m + 1.7076147010*s
	return 0.2126*within01(red) + 0.7152*within01(green) + 0.0722*within01(blue)
}

func cube(x float64) float64 { return x * x * x }

func within01(x float64) float64 { return min(1, max(0, x)) }

func contrast(a, b float64) float64 {
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}
