package config

import "path/filepath"

// StandardSpools are the folders for SPOOL_DIR where it is not set, the first first:
// a container's, and that of a person who develops.
func StandardSpools(getenv func(string) string) []string {
	folders := []string{"/var/lib/wosool/spool"}
	state := getenv("XDG_STATE_HOME")
	if home := getenv("HOME"); state == "" && home != "" {
		state = filepath.Join(home, ".local", "state")
	}
	if filepath.IsAbs(state) {
		folders = append(folders, filepath.Join(state, "wosool", "spool"))
	}
	return folders
}
