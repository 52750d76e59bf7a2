// Package tenant holds the rules of tenants: their states and legal moves. It is
// pure: no I/O.
package tenant

import "github.com/wosool/wosool/internal/fault"

// Status is where a tenant stands.
type Status string

// The statuses of a tenant.
const (
	Pending        Status = "pending"
	Provisioning   Status = "provisioning"
	Ready          Status = "ready"
	Failed         Status = "failed"
	Suspended      Status = "suspended"
	Deprovisioning Status = "deprovisioning"
	Deleted        Status = "deleted"
)

// SuspendedBy tells who suspended a tenant, and so what lifts it.
type SuspendedBy string

// Who suspends.
const (
	ByUninstall SuspendedBy = "uninstall"
	ByOperator  SuspendedBy = "operator"
)

// Statuses lists every status, in the order of a tenant's life.
func Statuses() []Status {
	return []Status{Pending, Provisioning, Ready, Failed, Suspended, Deprovisioning, Deleted}
}

// CanMove tells whether a tenant may go from one status to another. A suspended
// tenant goes back only to the status it came from, which the caller knows.
func CanMove(from, to Status) bool {
	switch to {
	case Provisioning:
		return from == Pending || from == Failed || from == Suspended
	case Ready, Failed:
		return from == Provisioning || from == Suspended
	case Pending:
		return from == Suspended
	case Suspended:
		return from == Pending || from == Provisioning || from == Ready || from == Failed
	case Deprovisioning:
		return from != Deprovisioning && from != Deleted
	case Deleted:
		return from == Deprovisioning
	}
	return false
}

// Step is one step of provisioning.
type Step string

// The steps of provisioning.
const (
	StepStore         Step = "store"
	StepIdentity      Step = "identity"
	StepDatabase      Step = "database"
	StepSeed          Step = "seed"
	StepWorkspace     Step = "workspace"
	StepSubscriptions Step = "subscriptions"
	StepVerify        Step = "verify"
)

// Steps lists the steps in the order they run.
func Steps() []Step {
	return []Step{StepStore, StepIdentity, StepDatabase, StepSeed, StepWorkspace, StepSubscriptions, StepVerify}
}

// StepStatus is where a step of provisioning stands.
type StepStatus string

// The statuses of a step.
const (
	StepPending StepStatus = "pending"
	StepRunning StepStatus = "running"
	StepWaiting StepStatus = "waiting"
	StepDone    StepStatus = "done"
	StepFailed  StepStatus = "failed"
	StepSkipped StepStatus = "skipped"
)

// Over tells whether nothing is left to do in a step of this status.
func (s StepStatus) Over() bool { return s == StepDone || s == StepSkipped }

// Refuse returns the fault.Conflict that answers an act a tenant's status does
// not allow; done is the act's participle: "a ready tenant cannot be resumed".
func Refuse(status Status, done string) error {
	return fault.New(fault.Conflict, "a %s tenant cannot be %s", status, done)
}

// Resources lists what an import may be asked for.
func Resources() []string {
	return []string{"customers", "products", "orders", "carts", "order_details"}
}
