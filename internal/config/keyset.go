package config

// Keyset reads SECRET_KEYSET alone, for what needs no other setting.
func Keyset(getenv func(string) string) (Secret, error) {
	r := &reader{getenv: getenv, process: Wosool}
	keyset := r.keyset("SECRET_KEYSET", true)
	if len(r.problems) > 0 {
		return "", &Error{Problems: r.problems}
	}
	return keyset, nil
}
