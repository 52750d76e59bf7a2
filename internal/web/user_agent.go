package web

import "strings"

// browserOf says which browser a User-Agent header tells of, and on what: Firefox ·
// Linux. What no known browser sends stays as it is.
//
// See https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/User-Agent: browsers
// also name those that they resemble, so that the order counts.
func browserOf(agent string) string {
	browser := firstIn(agent, [][2]string{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"FxiOS/", "Firefox"},
		{"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	})
	if browser == "" {
		return agent
	}
	system := firstIn(agent, [][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	})
	if system == "" {
		return browser
	}
	return browser + " · " + system
}

// firstIn gives the name of the first sign that a text has, if it has one.
func firstIn(text string, names [][2]string) string {
	for _, n := range names {
		if strings.Contains(text, n[0]) {
			return n[1]
		}
	}
	return ""
}
