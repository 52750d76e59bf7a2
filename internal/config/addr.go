package config

import "strings"

// HTTPAddr is where process p listens by its settings alone: all that a probe of
// a running process has to know. It is not checked.
func HTTPAddr(p Process, getenv func(string) string) string {
	if v := strings.TrimSpace(getenv("HTTP_ADDR")); v != "" {
		return v
	}
	return standardAddr(p)
}

// standardAddr is HTTP_ADDR's default; "" for what does not listen.
func standardAddr(p Process) string {
	return map[Process]string{API: ":8080", Worker: ":8081"}[p]
}
