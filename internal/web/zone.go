package web

import (
	"net/http"
	"net/url"
	"time"
	_ "time/tzdata" // images without a zone database still know the operators' zones

	"github.com/wosool/wosool/templates"
)

// zoneCookie is set by the console's script to the zone of the browser.
const zoneCookie = "zone"

// zoneOf is the zone of who reads the page, UTC where it is not known.
func zoneOf(r *http.Request) *time.Location {
	c, err := r.Cookie(zoneCookie)
	if err != nil || len(c.Value) > 64 {
		return time.UTC
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil || name == "Local" {
		return time.UTC
	}
	loc, err := time.LoadLocation(name) // it refuses what leads out of the database
	if err != nil {
		return time.UTC
	}
	return loc
}

// moments gives times as the reader of r reads them, as of when it is called.
func moments(r *http.Request) func(time.Time) templates.Moment {
	loc := zoneOf(r)
	return func(t time.Time) templates.Moment { return templates.NewMoment(t, time.Now(), loc) }
}
