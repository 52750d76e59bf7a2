package templates

// InstallView is a page that a merchant sees on the way from Salla to us, in both
// languages: what happened, and what to do.
type InstallView struct {
	Kind    string // well, wait, broken
	Arabic  InstallWords
	English InstallWords
	Again   bool // offers to begin again
	Assets  Assets
}

// InstallWords are the words of an InstallView in one language.
type InstallWords struct {
	Title string
	Text  string
	Todo  string // "" where there is nothing to do
}
