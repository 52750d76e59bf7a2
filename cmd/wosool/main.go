// Command wosool is the operators' command line. It works on the control
// database directly, so that it is of use also when the api is down.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // refused or failed, with a sentence
	exitMisuse = 2 // of the command line or the settings
)

// grammar is every command.
type grammar struct {
	JSON bool `name:"json" help:"Print one JSON document instead of text for people."`

	Migrate migrateCmd `cmd:"" help:"Bring the control database to this build's version and fence it off from tenants."`
	Keyset  struct {
		New    keysetNewCmd    `cmd:"" help:"Print a new keyset for SECRET_KEYSET."`
		Add    keysetAddCmd    `cmd:"" help:"Rotate, first: print the keyset with one more key, which opens but does not seal yet."`
		Reseal keysetResealCmd `cmd:"" help:"Rotate, second: seal everything with the newest key, and print the keyset in which it seals."`
		Drop   keysetDropCmd   `cmd:"" help:"Rotate, third: print the keyset without the old keys, once nothing is sealed by one."`
	} `cmd:"" help:"The keys that seal secrets."`
	Operator struct {
		Add           operatorAddCmd     `cmd:"" help:"Let somebody sign in to the console."`
		List          operatorListCmd    `cmd:"" help:"List who may sign in."`
		Role          operatorRoleCmd    `cmd:"" help:"Say what an operator may do; it holds from their next request on."`
		ResetPassword operatorResetCmd   `cmd:"" help:"Give an operator another password; ends their sessions, removes their passkeys, and ends the wait after failed attempts."`
		Remove        operatorRemoveCmd  `cmd:"" help:"Remove an operator; ends their sessions at once."`
		SignOut       operatorSignOutCmd `cmd:"" help:"End an operator's sessions at once."`

		RemovePasskeys    operatorRemovePasskeysCmd    `cmd:"" help:"Remove every passkey of an operator; ends their sessions."`
		ResetSecondFactor operatorResetSecondFactorCmd `cmd:"" help:"Switch an operator's second factor off for them; ends their sessions."`
	} `cmd:"" help:"The people who may sign in to the console."`
	Key struct {
		Add    keyAddCmd    `cmd:"" help:"Make a key of the operator API; its token is printed once."`
		List   keyListCmd   `cmd:"" help:"List the keys that are not revoked."`
		Revoke keyRevokeCmd `cmd:"" help:"Revoke a key: the next request with it is refused."`
	} `cmd:"" help:"The keys of the operator API."`
	Tenants struct {
		List    tenantsListCmd    `cmd:"" help:"List tenants, newest first."`
		Show    tenantsShowCmd    `cmd:"" help:"Show a tenant with its steps and imports."`
		Create  tenantsCreateCmd  `cmd:"" help:"Register a tenant by hand."`
		Retry   tenantsRetryCmd   `cmd:"" help:"Provision a failed tenant again."`
		Suspend tenantsSuspendCmd `cmd:"" help:"Suspend a tenant: its events wait, its database takes no logins."`
		Resume  tenantsResumeCmd  `cmd:"" help:"Resume a suspended tenant."`
	} `cmd:"" help:"Tenants: each is one store's CRM."`
	Import struct {
		Start  importStartCmd  `cmd:"" help:"Import a store again; behind the import that is open, if there is one."`
		Pause  importPauseCmd  `cmd:"" help:"Pause the open import."`
		Resume importResumeCmd `cmd:"" help:"Go on with a paused import."`
		Cancel importCancelCmd `cmd:"" help:"End the open import; what it imported stays."`
		Status importStatusCmd `cmd:"" help:"Show a tenant's imports."`
	} `cmd:"" help:"Imports of a store's history."`
	Rejects struct {
		List    rejectsListCmd    `cmd:"" help:"List the records that could not be imported, with the reason."`
		Redrive rejectsRedriveCmd `cmd:"" help:"Map rejected records anew after a fix, and read them again at Salla."`
	} `cmd:"" help:"Records that could not be imported."`
	Events struct {
		List   eventsListCmd   `cmd:"" help:"List webhook events, newest first."`
		Show   eventsShowCmd   `cmd:"" help:"Show an event with its headers and redacted payload."`
		Replay eventsReplayCmd `cmd:"" help:"Apply an event again."`
	} `cmd:"" help:"Webhook events."`
	Dead struct {
		List  deadListCmd  `cmd:"" help:"List work that was given up, newest first, with the reason."`
		Retry deadRetryCmd `cmd:"" help:"Begin work that was given up again, with no attempts spent."`
	} `cmd:"" help:"Dead letters: work that was given up after its attempts."`
	Health  healthCmd  `cmd:"" help:"Ask whether PostgreSQL, its schema and Redis are there."`
	Stats   statsCmd   `cmd:"" help:"Count tenants, events and imports, and show the lanes."`
	Version versionCmd `cmd:"" help:"Print the version of this build."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	var g grammar
	helped := false
	parser, err := kong.New(&g, kong.Name("wosool"),
		kong.Description("Wosool's operator command line. Settings come from the environment: DATABASE_URL and "+
			"SECRET_KEYSET are needed, with REDIS_URL tasks start at once."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return fail(stderr, err)
	}
	if len(args) == 0 {
		parser.Stdout = stderr
		_, _ = parser.Parse([]string{"--help"}) // prints
		return exitMisuse
	}
	command, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "wosool: %v\nSee wosool --help.\n", err)
		return exitMisuse
	}
	a := &app{getenv: getenv, out: stdout, notes: stderr, json: g.JSON}
	err = errors.Join(command.Run(a), a.close())
	if err != nil {
		return fail(stderr, err)
	}
	return exitDone
}

// fail says what went wrong in a sentence and returns the exit code for it.
func fail(stderr io.Writer, err error) int {
	text := err.Error()
	if fe, ok := errors.AsType[*fault.Error](err); ok {
		text = fe.Msg
	}
	fmt.Fprintf(stderr, "wosool: %s\n", text)
	if config.IsError(err) {
		return exitMisuse
	}
	return exitFailed
}
