package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
)

// keysetAnswer is what the keyset commands print: a keyset is nowhere else.
type keysetAnswer struct {
	Keyset   string `json:"keyset"`
	Resealed *int   `json:"resealed,omitempty"`
}

// printKeyset prints a keyset, alone on standard output, and beside it what to do.
func (a *app) printKeyset(answer keysetAnswer, todo string) error {
	if err := a.print(answer, func(w io.Writer) { fmt.Fprintln(w, answer.Keyset) }); err != nil {
		return err
	}
	if todo != "" {
		fmt.Fprintln(a.notes, todo)
	}
	return nil
}

type keysetNewCmd struct{}

// Run prints a keyset. It needs no settings: this is the first command of all.
func (keysetNewCmd) Run(a *app) error {
	keyset, err := vault.NewKeyset()
	if err != nil {
		return err
	}
	return a.printKeyset(keysetAnswer{Keyset: keyset}, "")
}

type keysetAddCmd struct{}

// Run prints the keyset with one more key. It needs no database.
func (keysetAddCmd) Run(a *app) error {
	now, err := config.Keyset(a.getenv)
	if err != nil {
		return err
	}
	keyset, err := vault.AddKey(now.Reveal())
	if err != nil {
		return err
	}
	return a.printKeyset(keysetAnswer{Keyset: keyset},
		"Make this SECRET_KEYSET, restart every process with it, then run: wosool keyset reseal")
}

type keysetResealCmd struct{}

// Run seals everything with the newest key, and prints the keyset in which that key
// seals. Processes that run with the keyset as it is open what it sealed.
func (keysetResealCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.settings()
	if err != nil {
		return err
	}
	keyset, err := vault.PromoteKey(cfg.SecretKeyset.Reveal())
	if err != nil {
		return err
	}
	done, _, err := a.reseal(ctx, cfg, keyset, "keyset.reseal")
	if err != nil {
		return err
	}
	fmt.Fprintf(a.notes, "%d values were sealed anew.\n", done.Count)
	return a.printKeyset(keysetAnswer{Keyset: keyset, Resealed: &done.Count},
		"Make this SECRET_KEYSET, restart every process with it, then run: wosool keyset drop")
}

type keysetDropCmd struct{}

// Run prints the keyset without its old keys, once nothing is sealed by one.
func (keysetDropCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.settings()
	if err != nil {
		return err
	}
	keyset, err := vault.DropKeys(cfg.SecretKeyset.Reveal())
	if err != nil {
		return err
	}
	done, mark, err := a.reseal(ctx, cfg, cfg.SecretKeyset.Reveal(), "keyset.drop")
	if err != nil {
		return err
	}
	if done.Count > 0 {
		return fault.New(fault.Conflict, "%d values were still sealed by an old key; they are sealed anew now. "+
			"Make sure that every process was restarted with this SECRET_KEYSET, then run this again", done.Count)
	}
	looked, err := a.spoolLacks(cfg, mark)
	if err != nil {
		return err
	}
	todo := "Nothing is sealed by an old key."
	if !looked {
		todo = "Nothing in the database is sealed by an old key. The spool was NOT looked at: SPOOL_DIR is not set, and no standard folder is here. " +
			"Before you go on, wosool_spool_files must be 0 on each api."
	}
	return a.printKeyset(keysetAnswer{Keyset: keyset},
		todo+" Make this SECRET_KEYSET and restart every process with it. Backups from before still need the old keyset.")
}

// spoolLacks refuses where the spool holds files that an old key has sealed. looked
// is false where there is no folder to look into.
func (a *app) spoolLacks(cfg config.Config, mark []byte) (looked bool, err error) {
	folders := []string{cfg.SpoolDir}
	if cfg.SpoolDir == "" {
		folders = config.StandardSpools(a.getenv)
	}
	old := 0
	for _, folder := range folders {
		n, err := events.SpoolSealedOtherwise(folder, mark)
		switch {
		case errors.Is(err, os.ErrNotExist) && cfg.SpoolDir != "":
			return false, fault.New(fault.Conflict, "the folder of SPOOL_DIR is not here: "+
				"run this where the api spools, with the SPOOL_DIR of the api")
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return false, err
		}
		looked, old = true, old+n
	}
	if old > 0 {
		return looked, fault.New(fault.Conflict, "%d deliveries in the spool are sealed by an old key: "+
			"the api commits them by itself; run this again then", old)
	}
	return looked, nil
}

// reseal seals everything in the control database with the key of the keyset that
// seals, and gives that key's mark. It fails where a value does not open. The act is
// noted before: what was cut off did something too.
func (a *app) reseal(ctx context.Context, cfg config.Config, keyset, act string) (store.Resealed, []byte, error) {
	keys, err := vault.OpenKeys(keyset)
	if err != nil {
		return store.Resealed{}, nil, err
	}
	if keys.Mark() == nil {
		return store.Resealed{}, nil, fault.New(fault.Conflict, "the newest key leaves no mark on what it seals: it was not made by wosool keyset add")
	}
	db, err := a.database(ctx, cfg)
	if err != nil {
		return store.Resealed{}, nil, err
	}
	var done store.Resealed
	if err := db.Noted(ctx, a.actor(), store.Act{Name: act}, func() error { return nil }); err != nil {
		return done, nil, err
	}
	if done, err = db.Reseal(ctx, store.Resealing{Mark: keys.Mark(), Reseal: keys.Reseal}); err != nil {
		return done, nil, err
	}
	if n := len(done.Unopened); n > 0 {
		const shown = 10
		return done, nil, fault.New(fault.Conflict, "%d values are opened by no key of this keyset and stay as they are: %s. "+
			"If no other keyset opens them, nobody can: empty them, then run this again",
			n, strings.Join(done.Unopened[:min(n, shown)], ", "))
	}
	return done, keys.Mark(), nil
}
