package config

import (
	"io"
	"os"
	"slices"
	"strings"
)

// Secrets names the settings that may also come from a file: where NAME is empty
// and NAME_FILE is set, the trimmed content of that file is the value.
func Secrets() []string {
	return []string{
		"DATABASE_URL", "TENANT_DATABASE_URLS", "REDIS_URL", "SECRET_KEYSET",
		"SALLA_CLIENT_SECRET", "SALLA_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET",
		"ADMIN_PASSWORD", "ADMIN_API_KEY",
	}
}

// secretSize bounds a secret's file: a keyset of many keys has some kilobytes.
const secretSize = 64 << 10

// get reads one setting, trimmed. readable is false where NAME_FILE is of no
// use, which has been noted.
func (r *reader) get(name string) (v string, readable bool) {
	if v = strings.TrimSpace(r.getenv(name)); v != "" || !slices.Contains(Secrets(), name) {
		return v, true
	}
	file := strings.TrimSpace(r.getenv(name + "_FILE"))
	if file == "" {
		return "", true
	}
	v, err := readSecret(file)
	if err != nil || v == "" || len(v) > secretSize {
		r.wrong(name+"_FILE", "a file that this process may read, with the value of "+name+" in it")
		return "", false
	}
	return v, true
}

func readSecret(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, secretSize+1))
	return strings.TrimSpace(string(raw)), err
}
