package main

// hunt is where a mutant is looked for: the tests of one package that must fail
// without the protection.
type hunt struct {
	mutant string
	pkg    string // below internal
	tests  string // as of -run
}

// table says what catches each mutant. Each line must catch it by itself.
func table() []hunt {
	return []hunt{
		{"lease", "store", "^TestFaultHeldRowIsNotTaken$"},
		{"lease_runs_on", "store", "^TestFaultNewTaskWaitsForTheOldHandler$"},
		{"holder", "store", "^TestFaultStaleHolderWritesNothing$"},
		{"holder", "events", "^TestLostLeaseWritesNothing$"},
		{"handler_ends", "worker", "^TestFaultHandlerEndsBeforeItsLease$"},
		{"hand_back", "worker", "^TestDrainHandsBack$"},
		{"waiting", "worker", "^TestFaultWaitingSpendsNoAttempt$"},
		{"postponement", "worker", "^TestFaultPostponementIsNoFailure$"},
		{"unknown_kind", "worker", "^TestFaultTwoVersionsInOneQueue$"},
		{"newer_payload", "worker", "^TestFaultTwoVersionsInOneQueue$"},

		{"forgotten", "worker", "^TestFaultForgottenRowIsPutBack$"},
		{"lease_over", "worker", "^TestFaultDeadWorkersRowIsHealed$"},
		{"new_epoch", "worker", "^TestFaultDeadWorkersRowIsHealed$"},
		{"backlog", "worker", "^TestFaultBacklogIsNoLoss$"},
		{"unleased", "worker", "^TestFaultActiveWithoutALease$"},
		{"archived_row", "worker", "^TestFaultArchivedTaskOfAnUnfinishedRow$"},
		{"sentinel", "worker", "^TestFaultLostRedisIsRefilledAtOnce$"},
		{"lanes_known", "worker", "^TestFaultLostRedisIsRefilledAtOnce$"},
		{"leader", "store", "^TestFaultOneLeader$"},

		{"refresh_claim", "store", "^TestFaultRefreshIsClaimedOnce$"},
		{"refresh_claim", "vault", "^TestFiftyCallersMakeOneRefresh$"},
		{"refresh_unknown", "vault", "^TestOutcomesOfARefresh$"},
		{"claim_back", "vault", "^TestFaultClaimWithoutAReplyIsTakenBack$"},
		{"refresh_outlives", "vault", "^TestRefreshOutlivesItsTask$"},
		{"refresh_answer", "store", "^TestFaultLateRefreshReplacesNoNewGrant$"},
		{"known_token", "vault", "^TestKnownRefreshTokenIsNeverStored$"},
		{"known_token", "events", "^TestAuthorizeThatIsKnown$"},
		{"missing_scope", "vault", "^TestDoRenewsARefusedToken$"},
		{"bound_secret", "vault", "^TestKeys$"},

		{"signature", "events", "^TestVerifySalla$"},
		{"raw_body", "events", "^TestVerifySalla$"},
		{"every_secret", "events", "^TestVerifySalla$"},
		{"clerk_time", "clerk", "^TestVerifyWebhook$"},
		{"event_dedupe", "events", "^TestSameDeliveryAtOnceIsOneEvent$"},
		{"neighbour", "store", "^TestFaultPoisonedNeighbour$"},
		{"redaction", "events", "^TestRedactJSON$|^TestNoTokenInAnyTable$"},
		{"still_needed", "store", "^TestPartitions$"},
		{"sealed_erased", "events", "^TestFaultAuthorizeIsErased$"},
		{"wait_holds", "store", "^TestFaultWaitThatIsOverIsNotWritten$"},
		{"event_window", "store", "^TestFaultOneMerchantsEventsComeInWindows$"},

		{"spool", "events", "^TestFaultSpoolKeepsAnAuthorizeOverAnOutage$"},
		{"circuit", "circuit", "^TestFaultOpensForTheFleetAndClosesByAProbe$"},
		{"outage_spared", "worker", "^TestFaultOutagesMakeNoDeadLetters$"},

		{"old_uninstall", "events", "^TestFaultOldUninstallNeedsNobodysAnswer$"},
		{"old_authorize", "events", "^TestOlderAuthorize$"},
		{"fresh_decision", "store", "^TestFaultStaleDecisionIsNotWritten$"},
		{"browser_state", "store", "^TestAStateIsUsedOnceByItsBrowser$"},
		{"state_once", "store", "^TestAStateIsUsedOnceByItsBrowser$"},
		{"still_wanted", "store", "^TestMarkReady$"},

		{"own_store", "provision", "^TestGrantOfAnotherStore$"},
		{"organization_found", "provision", "^TestFaultLostRepliesMakeNothingTwice$"},
		{"user_found", "provision", "^TestFaultPersonIsLookedForFirst$"},
		{"subscription_found", "provision", "^TestFaultLostRepliesMakeNothingTwice$"},
		{"subscription_signed", "provision", "^TestFaultUnsignedSubscriptionIsSeen$"},
		{"twins", "provision", "^TestFaultTwinOrganizationIsRemoved$"},
		{"strangers", "provision", "^TestExistingPersonIsInvited$"},
		{"own_database", "tenantdb", "^TestATenantEntersItsOwnDatabaseOnly$"},

		{"page_fence", "tenantdb", "^TestPageFence$"},
		{"page_window", "store", "^TestPagesComeInWindows$"},
		{"yield", "worker", "^TestFaultBulkStepsAsideForASetup$"},
		{"budget", "budget", "^TestFleetNeverPassesTheLimit$"},
		{"bad_record", "tenantdb", "^TestBadValuesNeverStopAPage$"},
		{"counted_once", "tenantdb", "^TestEachRecordCountsOnceARun$"},
		{"one_at_a_time", "tenantdb", "^TestPagesOfNewOrdersAtOnce$"},
		{"read_again", "imports", "^TestReadIsDoneAgainWhereItWasWantedMeanwhile$"},
		{"read_order", "tenantdb", "^TestDecide$"},
		{"tombstone", "tenantdb", "^TestDecide$"},
	}
}

// huntsOf is what the table says of one mutant.
func huntsOf(mutant string) []hunt {
	var found []hunt
	for _, h := range table() {
		if h.mutant == mutant {
			found = append(found, h)
		}
	}
	return found
}
