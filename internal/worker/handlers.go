package worker

import (
	"github.com/wosool/wosool/internal/tasks"
)

// Handlers maps each kind of task to its domain act. Read it first: it is the
// worker's route map.
type Handlers struct {
	ProvisionTenant Handler // runs the steps from the first unfinished one
	SuspendTenant   Handler // after an uninstall, or by an operator
	ResumeTenant    Handler // after a new authorize, or by an operator
	BootstrapSchema Handler // at start and after an upgrade, for each server
	RefreshToken    Handler // the scheduler, at half of a grant's lifetime
	ApplyEvent      Handler // each webhook
	StartImport     Handler // a tenant became ready, the daily reconcile, an operator
	ImportPage      Handler // the stream's opener, or the page before
	FinishImport    Handler // the last page of the last stream
	ReadEntity      Handler // events that do not carry the whole truth
	ApplyBulk       Handler // an operator started a bulk act, or its turn before
}

// byKind gives the handler and policy of every kind of task.
func (h Handlers) byKind() map[string]registered {
	all := make(map[string]registered)
	register(all, tasks.ProvisionTenant{}, h.ProvisionTenant)
	register(all, tasks.SuspendTenant{}, h.SuspendTenant)
	register(all, tasks.ResumeTenant{}, h.ResumeTenant)
	register(all, tasks.BootstrapSchema{}, h.BootstrapSchema)
	register(all, tasks.RefreshToken{}, h.RefreshToken)
	register(all, tasks.ApplyEvent{}, h.ApplyEvent)
	register(all, tasks.StartImport{}, h.StartImport)
	register(all, tasks.ImportPage{}, h.ImportPage)
	register(all, tasks.FinishImport{}, h.FinishImport)
	register(all, tasks.ReadEntity{}, h.ReadEntity)
	register(all, tasks.ApplyBulk{}, h.ApplyBulk)
	return all
}

type registered struct {
	Handler
	policy tasks.Policy
	decode func(raw []byte) (tasks.Row, error)
}

func register[P tasks.Payload](all map[string]registered, zero P, h Handler) {
	all[zero.Kind()] = registered{Handler: h, policy: zero.Policy(), decode: decode[P]}
}
