// Package tasks is the language between the two doors, the web and the worker:
// every task type's payload, lane, policy and id, and the one enqueuer. A task
// carries ids, never data; the row it names is the truth.
package tasks

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/fault"
)

// The lanes: every queue there is. Each further one costs a round trip at each
// poll, so a tenant never gets one of its own.
const (
	LaneProvisioning = "provisioning"
	LaneEvents       = "events"
	LaneImports      = "imports"
	LaneCRM          = "crm"
	LaneMaintenance  = "maintenance"
)

// Lanes lists the lanes, most urgent first.
func Lanes() []string {
	return []string{LaneProvisioning, LaneEvents, LaneImports, LaneCRM, LaneMaintenance}
}

// unlimited is Asynq's retry limit: attempts are counted in the row, and giving
// up is ours.
const unlimited = 1 << 30

// Ref names one piece of work to the queue.
type Ref struct {
	Kind  string
	ID    uuid.UUID
	Epoch int64
	Lane  string
	DueAt time.Time // zero: now
}

// TaskID is the Asynq task id, KIND:ROW:EPOCH: one bell for one epoch of a row.
func (r Ref) TaskID() string { return fmt.Sprintf("%s:%s:%d", r.Kind, r.ID, r.Epoch) }

// Version is the newest version of payloads that this build writes and reads. It
// rises only with a change that an older worker would misread: a field that may be
// passed over is just added.
const Version = 1

// Row is what every payload carries. Fields are only ever added: a newer binary
// reads what an older one wrote.
type Row struct {
	V     int       `json:"v,omitempty"` // the payload's version; absent: 1
	ID    uuid.UUID `json:"id"`
	Epoch int64     `json:"epoch"`
}

// RowRef gives the row a payload names.
func (r Row) RowRef() Row { return r }

// VersionOf reads the version of a payload; one that cannot be read has none that
// is newer than ours.
func VersionOf(payload []byte) int {
	var doc struct {
		V int `json:"v"`
	}
	if json.Unmarshal(payload, &doc) != nil || doc.V < 1 {
		return 1
	}
	return doc.V
}

// Payload is the data of one kind of task.
type Payload interface {
	// Kind is the task's permanent name, "noun:verb".
	Kind() string
	// Policy says how often and for how long the kind is tried.
	Policy() Policy
	// RowRef gives the row that the task works on.
	RowRef() Row
}

// Policy is how a kind of task is run.
type Policy struct {
	Timeout  time.Duration // one attempt's, longer than the calls inside it
	Attempts int           // failed attempts before the row is a dead letter
	Backoff  time.Duration // after the first failure; doubles up to MaxBackoff
	Max      time.Duration // the longest pause between attempts
}

// Delay is the pause after the given number of failed attempts, 1 at least.
func (p Policy) Delay(failed int) time.Duration {
	d := p.Backoff
	for i := 1; i < failed && d < p.Max; i++ {
		d *= 2
	}
	return min(d, p.Max)
}

// The kinds of task. Each has its own type, so that a handler can't be given
// another kind's payload.
type (
	// ProvisionTenant runs a tenant's steps from the first unfinished one.
	ProvisionTenant struct{ Row }
	// SuspendTenant closes a suspended tenant's database to logins.
	SuspendTenant struct{ Row }
	// ResumeTenant opens it again and wakes what waited.
	ResumeTenant struct{ Row }
	// BootstrapSchema brings one server's template to the newest model version.
	BootstrapSchema struct{ Row }
	// RefreshToken renews a grant well before it expires.
	RefreshToken struct{ Row }
	// ApplyEvent applies one webhook event to its tenant.
	ApplyEvent struct{ Row }
	// StartImport opens a run's streams.
	StartImport struct{ Row }
	// ImportPage imports one page of a stream.
	ImportPage struct{ Row }
	// FinishImport compares a run with its source and closes it.
	FinishImport struct{ Row }
	// ReadEntity reads one entity again.
	ReadEntity struct{ Row }
	// ApplyBulk does the next items of a bulk act.
	ApplyBulk struct{ Row }
)

// Kind implements Payload.
func (ProvisionTenant) Kind() string { return "tenant:provision" }

// Kind implements Payload.
func (SuspendTenant) Kind() string { return "tenant:suspend" }

// Kind implements Payload.
func (ResumeTenant) Kind() string { return "tenant:resume" }

// Kind implements Payload.
func (BootstrapSchema) Kind() string { return "schema:bootstrap" }

// Kind implements Payload.
func (RefreshToken) Kind() string { return "token:refresh" }

// Kind implements Payload.
func (ApplyEvent) Kind() string { return "event:apply" }

// Kind implements Payload.
func (StartImport) Kind() string { return "import:start" }

// Kind implements Payload.
func (ImportPage) Kind() string { return "import:page" }

// Kind implements Payload.
func (FinishImport) Kind() string { return "import:finish" }

// Kind implements Payload.
func (ReadEntity) Kind() string { return "entity:read" }

// Kind implements Payload.
func (ApplyBulk) Kind() string { return "bulk:apply" }

// Policy implements Payload.
func (ProvisionTenant) Policy() Policy {
	return Policy{Timeout: 5 * time.Minute, Attempts: 8, Backoff: time.Second, Max: time.Minute}
}

// Policy implements Payload.
func (SuspendTenant) Policy() Policy { return lifecyclePolicy() }

// Policy implements Payload.
func (ResumeTenant) Policy() Policy { return lifecyclePolicy() }

// Policy implements Payload.
func (BootstrapSchema) Policy() Policy { return lifecyclePolicy() }

// Policy implements Payload.
func (RefreshToken) Policy() Policy {
	return Policy{Timeout: 2 * time.Minute, Attempts: 12, Backoff: 5 * time.Second, Max: 10 * time.Minute}
}

// Policy implements Payload.
func (ApplyEvent) Policy() Policy {
	return Policy{Timeout: 2 * time.Minute, Attempts: 12, Backoff: time.Second, Max: 5 * time.Minute}
}

// Policy implements Payload.
func (StartImport) Policy() Policy { return importPolicy() }

// Policy implements Payload.
func (ImportPage) Policy() Policy { return importPolicy() }

// Policy implements Payload.
func (FinishImport) Policy() Policy { return importPolicy() }

// Policy implements Payload.
func (ReadEntity) Policy() Policy { return importPolicy() }

// Policy implements Payload.
func (ApplyBulk) Policy() Policy { return lifecyclePolicy() }

func lifecyclePolicy() Policy {
	return Policy{Timeout: 2 * time.Minute, Attempts: 20, Backoff: time.Second, Max: time.Minute}
}

func importPolicy() Policy {
	return Policy{Timeout: 5 * time.Minute, Attempts: 12, Backoff: time.Second, Max: 2 * time.Minute}
}

// payloads gives an empty payload of every kind.
func payloads() []Payload {
	return []Payload{
		ProvisionTenant{},
		SuspendTenant{},
		ResumeTenant{},
		BootstrapSchema{},
		RefreshToken{},
		ApplyEvent{},
		StartImport{},
		ImportPage{},
		FinishImport{},
		ReadEntity{},
		ApplyBulk{},
	}
}

// PolicyOf returns the policy of a kind, or fault.Invalid.
func PolicyOf(kind string) (Policy, error) {
	for _, p := range payloads() {
		if p.Kind() == kind {
			return p.Policy(), nil
		}
	}
	return Policy{}, fault.New(fault.Invalid, "there is no kind of task called %q", kind)
}

// New returns the task that rings for r, with the options of its kind.
func New(r Ref) (*asynq.Task, error) {
	policy, err := PolicyOf(r.Kind)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(Row{V: Version, ID: r.ID, Epoch: r.Epoch})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", r.Kind, err)
	}
	opts := []asynq.Option{
		asynq.TaskID(r.TaskID()), asynq.Queue(r.Lane),
		asynq.MaxRetry(unlimited), asynq.Timeout(policy.Timeout),
	}
	if !r.DueAt.IsZero() {
		opts = append(opts, asynq.ProcessAt(r.DueAt))
	}
	return asynq.NewTask(r.Kind, payload, opts...), nil
}
