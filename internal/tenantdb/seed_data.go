package tenantdb

import "slices"

// named is something that people see in both languages.
type named struct{ key, ar, en string }

type role struct {
	named
	edits, deletes bool
}

func roles() []role {
	return []role{
		{named{"ADMIN", "مدير", "Admin"}, true, true},
		{named{"EDITOR", "محرر", "Editor"}, true, false},
		{named{"VIEWER", "مشاهد", "Viewer"}, false, false},
	}
}

// objects are what permissions are given on: the tables that people work with.
func objects() []string {
	return append([]string{
		"people", "opportunities", "workflows", "agent_settings", "salla_products", "salla_orders", "salla_carts",
		"voice_calls", "workflow_executions", "communication_logs",
	}, administration()...)
}

// administration are the objects that only an admin changes.
func administration() []string {
	return []string{"company", "members", "roles", "pipelines", "settings"}
}

// permissions tells for each of objects whether a role may edit and delete.
func permissions(r role) (edits, deletes []bool) {
	for _, o := range objects() {
		allowed := r.key == "ADMIN" || !slices.Contains(administration(), o)
		edits = append(edits, r.edits && allowed)
		deletes = append(deletes, r.deletes && allowed && o != "company")
	}
	return edits, deletes
}

type pipeline struct {
	named
	stages []named
}

// The stages' keys are what opportunities.stage holds.
func pipelines() []pipeline {
	return []pipeline{
		{named{"sales", "المبيعات", "Sales"}, []named{
			{"Lead", "عميل محتمل", "Lead"},
			{"Qualified", "مؤهل", "Qualified"},
			{"Proposal", "عرض", "Proposal"},
			{"Negotiation", "تفاوض", "Negotiation"},
			{"Won", "تم البيع", "Won"},
			{"Lost", "خسارة", "Lost"},
		}},
		{named{"support", "الدعم", "Support"}, []named{
			{"New", "جديد", "New"},
			{"In Progress", "قيد التنفيذ", "In Progress"},
			{"Waiting on Customer", "بانتظار العميل", "Waiting on Customer"},
			{"Resolved", "تم الحل", "Resolved"},
			{"Closed", "مغلق", "Closed"},
		}},
	}
}

type workflow struct{ name, trigger, status string }

// The recovery starts as a draft: it speaks to customers, so a person turns it on.
func workflows() []workflow {
	return []workflow{
		{"Salla Order Sync", "order.updated", "ACTIVE"},
		{"Abandoned Cart Recovery", "cart.abandoned", "DRAFT"},
	}
}
