package telemetry

import "runtime/debug"

// Set by the linker where there is no repository to be asked: in the image.
var (
	version  string
	revision string
)

// Build is what a program was built of.
type Build struct {
	Version  string // a release, or what Go calls a build from a work tree
	Revision string // "" where nobody knows
	Modified bool   // built from a work tree with changes of its own
	Go       string
}

// ThisBuild tells what this program was built of.
func ThisBuild() Build {
	b := Build{Version: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version, b.Go = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if version != "" {
		b.Version = version
	}
	if revision != "" {
		b.Revision = revision
	}
	return b
}
