// Package protect names what keeps work from being lost or done twice: one
// constant for each protection, true in every build that is shipped. The
// compiler folds them away.
//
// A protection that nobody would miss is none. So each has a mutant, a build tag
// that removes it: `go build -tags mutant,mutant_lease` is Wosool without the
// lease. `make faults-mutants` builds each mutant and expects its tests to fail.
package protect

// Work: rows, leases, epochs.
const (
	// Lease keeps a second worker off a row that somebody holds.
	Lease = removed != "lease"
	// LeaseRunsOn keeps a row's new task from starting before the handler of its
	// old one has certainly stopped.
	LeaseRunsOn = removed != "lease_runs_on"
	// Holder keeps a worker that lost its row from writing to it.
	Holder = removed != "holder"
	// HandlerEnds ends a handler before its lease, so that nothing is written or
	// called without one.
	HandlerEnds = removed != "handler_ends"
	// HandBack keeps a deploy from spending attempts.
	HandBack = removed != "hand_back"
	// Waiting keeps work that only waits from spending attempts.
	Waiting = removed != "waiting"
	// Postponement keeps Asynq from counting what is only postponed.
	Postponement = removed != "postponement"
	// UnknownKind keeps an older worker from giving up a newer one's kind of task.
	UnknownKind = removed != "unknown_kind"
	// NewerPayload keeps an older worker from giving up, or half understanding, a
	// newer one's payload.
	NewerPayload = removed != "newer_payload"
)

// Recovery: the sweeper and its leader.
const (
	// Forgotten puts back a due row that Redis does not know.
	Forgotten = removed != "forgotten"
	// LeaseOver gives the work of a worker that died to another.
	LeaseOver = removed != "lease_over"
	// NewEpoch keeps the bell of a dead worker's task, which Redis still has, from
	// silencing the row's next one.
	NewEpoch = removed != "new_epoch"
	// Backlog keeps a backlog or a paused lane from being healed as if it were lost.
	Backlog = removed != "backlog"
	// Unleased heals a row whose task Redis takes for active though nobody holds the row.
	Unleased = removed != "unleased"
	// ArchivedRow heals an unfinished row whose task was archived.
	ArchivedRow = removed != "archived_row"
	// Sentinel tells that Redis lost everything, so that all of it is put back at once.
	Sentinel = removed != "sentinel"
	// LanesKnown tells Asynq of its queues again after a FLUSHALL.
	LanesKnown = removed != "lanes_known"
	// Leader keeps two processes from sweeping at once.
	Leader = removed != "leader"
)

// Grants: a refresh token is used once.
const (
	// RefreshClaim lets one process of many use a refresh token.
	RefreshClaim = removed != "refresh_claim"
	// RefreshUnknown keeps a refresh token that may have been consumed from being
	// sent again.
	RefreshUnknown = removed != "refresh_unknown"
	// ClaimBack takes back the claim of a refresh that no call follows.
	ClaimBack = removed != "claim_back"
	// RefreshOutlives keeps the end of a task from cutting off a refresh, whose
	// answer is the only copy of the new tokens.
	RefreshOutlives = removed != "refresh_outlives"
	// RefreshAnswer keeps the answer of a refresh from replacing a grant that came
	// meanwhile.
	RefreshAnswer = removed != "refresh_answer"
	// KnownToken keeps a grant that was replaced from being stored again.
	KnownToken = removed != "known_token"
	// MissingScope keeps a call that lacks a scope from refreshing a good token.
	MissingScope = removed != "missing_scope"
	// BoundSecret keeps a sealed secret from being opened as another tenant's.
	BoundSecret = removed != "bound_secret"
)

// Events: what comes in.
const (
	// Signature refuses deliveries that do not prove where they come from.
	Signature = removed != "signature"
	// RawBody checks a signature over the bytes exactly as they came.
	RawBody = removed != "raw_body"
	// EverySecret accepts the older secret during a rotation.
	EverySecret = removed != "every_secret"
	// ClerkTime refuses a webhook of Clerk that somebody kept and sends again.
	ClerkTime = removed != "clerk_time"
	// EventDedupe makes one event of a delivery's copies.
	EventDedupe = removed != "event_dedupe"
	// Neighbour keeps one delivery that cannot be stored from losing those that came
	// at the same time.
	Neighbour = removed != "neighbour"
	// Redaction keeps credentials out of what is kept of a delivery.
	Redaction = removed != "redaction"
	// StillNeeded keeps what a waiting or failed event said beyond its retention.
	StillNeeded = removed != "still_needed"
	// SealedErased forgets an authorize's tokens once they are the tenant's.
	SealedErased = removed != "sealed_erased"
	// WaitHolds keeps an event from beginning to wait for what has just come.
	WaitHolds = removed != "wait_holds"
	// EventWindow keeps one merchant's events from filling the queue.
	EventWindow = removed != "event_window"
)

// Outages.
const (
	// Spool keeps the tokens that Salla sends once while PostgreSQL does not answer.
	Spool = removed != "spool"
	// Circuit keeps a fleet's calls away from what does not answer.
	Circuit = removed != "circuit"
	// OutageSpared keeps the outage of something else from making a dead letter.
	OutageSpared = removed != "outage_spared"
)

// The app's life in a store: order by the tenant's row, and by asking.
const (
	// OldUninstall keeps an uninstall that came late from revoking the grant of the
	// installation after it.
	OldUninstall = removed != "old_uninstall"
	// OldAuthorize keeps an authorize that came late from replacing a newer grant
	// that answers.
	OldAuthorize = removed != "old_authorize"
	// FreshDecision makes a decision again whose ground has changed.
	FreshDecision = removed != "fresh_decision"
	// BrowserState keeps anybody from completing an installation that another began.
	BrowserState = removed != "browser_state"
	// StateOnce keeps an installation from being completed twice.
	StateOnce = removed != "state_once"
	// StillWanted keeps a tenant whose app is gone from becoming ready.
	StillWanted = removed != "still_wanted"
)

// Provisioning: nothing is made twice, nobody gets what is not theirs.
const (
	// OwnStore keeps the data of another store, whose grant it is, from a tenant.
	OwnStore = removed != "own_store"
	// OrganizationFound uses the organization that a request whose reply was lost
	// has made.
	OrganizationFound = removed != "organization_found"
	// UserFound asks for the owner before making one.
	UserFound = removed != "user_found"
	// SubscriptionFound uses the subscriptions that are there.
	SubscriptionFound = removed != "subscription_found"
	// SubscriptionSigned refuses a store whose events would come unsigned.
	SubscriptionSigned = removed != "subscription_signed"
	// Twins removes an organization that was made twice all the same.
	Twins = removed != "twins"
	// Strangers keeps whoever has a store's e-mail at Clerk from becoming its owner.
	Strangers = removed != "strangers"
	// OwnDatabase keeps a tenant's role out of everybody else's database.
	OwnDatabase = removed != "own_database"
)

// Imports: what is stored is the newest that was read.
const (
	// PageFence keeps a worker that lost a page from committing it.
	PageFence = removed != "page_fence"
	// PageWindow keeps one tenant's pages from filling the queue.
	PageWindow = removed != "page_window"
	// Yield keeps imports from slowing down a merchant who is being set up.
	Yield = removed != "yield"
	// Budget keeps the fleet within a store's limit of requests.
	Budget = removed != "budget"
	// BadRecord keeps one record that cannot be stored from stopping its page.
	BadRecord = removed != "bad_record"
	// CountedOnce keeps a record that comes twice from being counted twice.
	CountedOnce = removed != "counted_once"
	// OneAtATime keeps pages of new orders that are stored at the same time from
	// leaving each other's orders out of a customer's totals.
	OneAtATime = removed != "one_at_a_time"
	// ReadAgain reads a record again that changed while it was being read.
	ReadAgain = removed != "read_again"
	// ReadOrder keeps a slow, older read from replacing a newer one.
	ReadOrder = removed != "read_order"
	// Tombstone keeps an older read from bringing back what was deleted.
	Tombstone = removed != "tombstone"
)

// Where gives a condition of a protection's SQL; without the protection it always
// holds.
func Where(on bool, condition string) string {
	if on {
		return condition
	}
	return "(" + condition + " OR true)"
}
