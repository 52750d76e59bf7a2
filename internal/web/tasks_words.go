package web

import (
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// taskWords says in words what a kind of task does.
func taskWords(kind string) string {
	switch kind {
	case store.KindTenantProvision:
		return "Set up a store"
	case store.KindTenantSuspend:
		return "Suspend a store"
	case store.KindTenantResume:
		return "Resume a store"
	case store.KindTenantDeprovision:
		return "Remove a store"
	case store.KindSchemaBootstrap:
		return "Prepare a database server"
	case store.KindTokenRefresh:
		return "Renew a grant"
	case store.KindEventApply:
		return "Apply an event"
	case store.KindImportStart:
		return "Begin an import"
	case store.KindImportPage:
		return "Import a page"
	case store.KindImportFinish:
		return "Compare an import"
	case store.KindEntityRead:
		return "Read a record again"
	case store.KindBulkApply:
		return "Go on with a bulk act"
	case "all":
		return "All due work"
	}
	return kind
}

// failedAdvice says what to do about failed work of a kind.
func failedAdvice(kind string) string {
	const again = " Retrying begins it again with no attempts spent, as running it in Asynqmon does."
	switch kind {
	case store.KindTenantProvision, store.KindTenantSuspend, store.KindTenantResume:
		return "The tenant's page shows the step and what to do about it." + again
	case store.KindTokenRefresh:
		return "While the grant is not renewed it still works until it expires; then the merchant has to reinstall the app." + again
	case store.KindEventApply:
		return "Nothing of the event was applied. Mend the cause, then retry it." + again
	case store.KindImportStart, store.KindImportPage, store.KindImportFinish:
		return "What was imported stays. Mend the cause, then retry it: the import goes on where it stopped." + again
	case store.KindSchemaBootstrap:
		return "No tenant can be made on that server until this is done." + again
	}
	return "Mend the cause, then retry it." + again
}

// laneWords says what a lane is for.
func laneWords(lane string) string {
	switch lane {
	case tasks.LaneProvisioning:
		return "setting up stores, grants, installs"
	case tasks.LaneEvents:
		return "webhook events, single reads"
	case tasks.LaneImports:
		return "pages of histories"
	case tasks.LaneCRM:
		return "changes for Twenty"
	case tasks.LaneMaintenance:
		return "model migrations, bulk acts"
	}
	return ""
}

// ownerHref is the page of a row of work, or of what it belongs to; "" where there
// is none.
func ownerHref(kind string, row uuid.UUID, tenantID *uuid.UUID) string {
	switch kind {
	case store.KindEventApply:
		return eventsPath + "/" + row.String()
	case store.KindImportStart, store.KindImportFinish:
		return importHref(row)
	case store.KindBulkApply:
		return bulkHref(row)
	case store.KindImportPage:
		if tenantID != nil {
			return importsPath + "?tenant=" + tenantID.String()
		}
	case store.KindTenantProvision, store.KindTenantSuspend, store.KindTenantResume, store.KindTenantDeprovision, store.KindTokenRefresh:
		return tenantHref(row)
	}
	if tenantID != nil {
		return tenantHref(*tenantID)
	}
	return ""
}
