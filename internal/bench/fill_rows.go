package main

import "fmt"

// What the rows of a filled control database are made of. They are spread over
// eighty days; of every hundred events one is the first merchant's, which is the
// store with the long history, and six failed.
const (
	fillFirst = 1_300_000_001 // the first merchant
	fillDays  = 80
)

// fillFunctions make ids as of a moment, and the reason of a failure: twelve kinds,
// with numbers, ids and addresses in them that differ from row to row.
func fillFunctions() []string {
	return []string{
		`CREATE FUNCTION bench_id(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
			SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' ||
				overlay(replace(gen_random_uuid()::text, '-', '') PLACING '8' FROM 4 FOR 14))::uuid
		$$`,
		`CREATE FUNCTION bench_reason(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
			SELECT CASE n % 12
				WHEN 0 THEN 'the order ' || n || ' has no id'
				WHEN 1 THEN 'Salla answered 502 to GET https://api.salla.dev/admin/v2/orders/' || n
				WHEN 2 THEN 'Salla answered 422: the customer ' || n || ' is not one of this store'
				WHEN 3 THEN 'the tenant''s database did not answer within 30.0 s'
				WHEN 4 THEN 'Clerk answered 404: user_' || md5(n::text) || ' was not found'
				WHEN 5 THEN 'the amount ' || n || '.75 is beyond what the column holds'
				WHEN 6 THEN 'Salla answered 500 after ' || n % 25 || ' attempts'
				WHEN 7 THEN 'the cart ' || n || ' names a product that is not there'
				WHEN 8 THEN 'the payload is not JSON: invalid character at ' || n % 4000
				WHEN 9 THEN 'Salla answered 410 to GET https://api.salla.dev/admin/v2/products/' || n
				WHEN 10 THEN 'connection reset by peer'
				ELSE 'the date of order ' || n || ' is not a date' END
		$$`,
	}
}

// tenantRows make the tenants with their steps and connections.
func tenantRows(s size) []string {
	return []string{
		fmt.Sprintf(`
			INSERT INTO tenants (id, merchant, slug, name, owner_email, status, suspended_by, resume_status, installed, plan,
				store, created_at, ready_at, state, task, due_at, last_error, clerk_organization_id, clerk_owner_id, clerk_owner)
			SELECT bench_id(at), %d + n, 'store-' || n, 'متجر ' || n || ' ' || (ARRAY['Nakheel', 'Rimal', 'Store', 'Souq', 'Dar'])[1 + n %% 5],
			       'owner' || n || '@shop.example', status,
			       CASE WHEN status = 'suspended' THEN 'uninstall' END, CASE WHEN status = 'suspended' THEN 'ready' END, true,
			       (ARRAY['basic', 'plus', 'pro', 'special'])[1 + n %% 4],
			       jsonb_build_object('domain', 'https://store-' || n || '.example', 'currency', 'SAR'),
			       at, CASE WHEN status = 'ready' THEN at + interval '2 seconds' + random() * interval '40 seconds' END,
			       CASE WHEN status = 'failed' THEN 'failed' ELSE 'done' END, 'tenant:provision', at,
			       CASE WHEN status = 'failed' THEN bench_reason(n) END, 'org_' || md5(n::text), 'user_' || md5(n::text),
			       CASE WHEN n %% 90 = 7 THEN 'invited' ELSE 'member' END
			FROM (
				SELECT n, now() - interval '%d days' * (1 - n::float8 / %d) * 3 - interval '1 minute' AS at,
				       CASE WHEN n %% 50 = 0 THEN 'failed' WHEN n %% 33 = 0 THEN 'suspended' WHEN n %% 200 = 1 AND n > 1 THEN 'provisioning' ELSE 'ready' END AS status
				FROM generate_series(1, %d) AS n
			) AS t`, fillFirst-1, fillDays, s.tenants, s.tenants),
		`INSERT INTO steps (tenant_id, name, position, status, attempt, started_at, finished_at)
			SELECT t.id, s.name, s.position, CASE WHEN t.status = 'failed' AND s.position > 2 THEN 'pending' ELSE 'done' END, 1,
			       t.created_at, t.created_at + interval '300 ms'
			FROM tenants t, (VALUES ('store', 1), ('identity', 2), ('database', 3), ('seed', 4), ('workspace', 5),
				('subscriptions', 6), ('verify', 7)) AS s (name, position)`,
		`INSERT INTO connections (id, status, granted_at, created_at, refreshed_at, state, due_at, last_error)
			SELECT id, CASE WHEN merchant % 77 = 0 THEN 'needs_reauthorisation' ELSE 'active' END, created_at, created_at,
			       now() - interval '7 days' * random(), CASE WHEN merchant % 300 = 0 THEN 'failed' ELSE 'done' END, created_at,
			       CASE WHEN merchant % 300 = 0 THEN bench_reason(merchant) END
			FROM tenants`,
	}
}

// importRows make imports: each ready store's first and three after it, their lists,
// the pages of the first and of what failed, and reads of single records.
func importRows(s size) []string {
	return []string{
		fmt.Sprintf(`
			INSERT INTO runs (id, tenant_id, kind, status, resources, created_at, started_at, lists_done_at, finished_at, state, due_at, last_error)
			SELECT bench_id(at), tenant_id, kind, status, '{customers,products,orders,carts}', at, at,
			       at + interval '30 minutes', CASE WHEN status <> 'running' THEN at + interval '1 hour' END,
			       CASE status WHEN 'failed' THEN 'failed' WHEN 'running' THEN 'waiting' ELSE 'done' END, at,
			       CASE WHEN status = 'failed' THEN bench_reason(merchant) END
			FROM (
				SELECT t.id AS tenant_id, t.merchant, CASE WHEN k = 1 THEN 'initial' ELSE 'reconcile' END AS kind,
				       now() - interval '%d days' * (4 - k + 0.9 * random()) / 4 - interval '10 seconds' AS at,
				       CASE WHEN k = 4 AND merchant %% 100 = 5 THEN 'running' WHEN merchant %% 40 = 0 THEN 'incomplete'
				            WHEN merchant %% 41 = 0 THEN 'failed' ELSE 'complete' END AS status
				FROM tenants AS t, generate_series(1, 4) AS k
				WHERE t.status = 'ready'
				ORDER BY at
			) AS r`, fillDays),
		`INSERT INTO streams (id, run_id, tenant_id, resource, status, per_page, ahead, pages, last_page, imported, total_before, total_after,
				started_at, finished_at)
			SELECT gen_random_uuid(), r.id, r.tenant_id, s, CASE WHEN r.finished_at IS NULL THEN 'running' ELSE 'complete' END, 60, 3, 50, 50,
			       3000, 3000, 3000, r.started_at, r.finished_at
			FROM runs r, unnest(r.resources) AS s`,
		// The first runs have 40 pages a list, others one; the long history has 4,000 a list.
		fmt.Sprintf(`
			INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, records, imported, done_at, created_at, state, due_at, enqueued_at)
			SELECT bench_id(at), stream_id, run_id, tenant_id, seq, 60, 60, at + interval '2 seconds', at, 'done', at, at
			FROM (
				SELECT s.id AS stream_id, s.run_id, s.tenant_id, seq, r.started_at + interval '0.4 seconds' * seq AS at
				FROM streams AS s
				JOIN runs AS r ON r.id = s.run_id
				JOIN tenants AS t ON t.id = s.tenant_id,
				generate_series(1, CASE WHEN t.merchant = %d THEN 4000 WHEN r.kind = 'initial' THEN 40 ELSE 1 END) AS seq
				ORDER BY r.id
			) AS p`, fillFirst),
		fmt.Sprintf(`
			INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, created_at, state, due_at, enqueued_at, attempts, last_error)
			SELECT bench_id(at), id, run_id, tenant_id, 10000 + k, at, 'failed', at + interval '3 hours', at, 25, bench_reason(n)
			FROM (
				SELECT s.*, k, row_number() OVER () AS n, s.started_at + interval '1 minute' * k AS at
				FROM streams AS s, generate_series(1, 40) AS k
				WHERE s.finished_at IS NOT NULL AND s.resource = 'orders'
				LIMIT %d
			) AS p`, s.deadPages),
		fmt.Sprintf(`
			INSERT INTO entity_reads (id, tenant_id, resource, entity, wanted_at, read_at, state, due_at, enqueued_at, attempts, last_error)
			SELECT bench_id(at), tenant_id, 'orders', n::text, at, CASE WHEN n %% 4 > 0 THEN at END, CASE WHEN n %% 4 > 0 THEN 'done' ELSE 'failed' END,
			       at, at, CASE WHEN n %% 4 > 0 THEN 0 ELSE 25 END, CASE WHEN n %% 4 = 0 THEN bench_reason(n / 4) END
			FROM (
				SELECT t.id AS tenant_id, n, now() - interval '%d days' * (1 - n::float8 / (4 * %[2]d)) AS at
				FROM generate_series(1, 4 * %[2]d) AS n
				JOIN tenants AS t ON t.merchant = %[3]d + (n::bigint * 7919) %% %[4]d
			) AS e`, fillDays, s.deadReads, fillFirst, s.tenants),
	}
}

// otherRows make what people and processes left.
func otherRows(s size) []string {
	return []string{
		fmt.Sprintf(`
			INSERT INTO audit (id, at, actor, act, tenant_id, subject, details, address)
			SELECT bench_id(at), at, 'operator' || n %% 20 || '@wosool.example',
			       (ARRAY['tenant.retry', 'import.begin', 'event.replay', 'lane.pause', 'tenant.suspend', 'session.begin'])[1 + n %% 6],
			       t.id, CASE WHEN n %% 6 = 2 THEN 'order.created' END,
			       jsonb_build_object('id', gen_random_uuid(), 'reason', 'asked for by the merchant', 'was', 'failed', 'count', n %% 100),
			       '192.0.2.' || n %% 250
			FROM (
				SELECT n, now() - interval '%d days' * (1 - n::float8 / %[2]d) AS at FROM generate_series(1, %[2]d) AS n
			) AS a
			JOIN tenants AS t ON t.merchant = %[3]d + (CASE WHEN n %% 50 = 0 THEN 0 ELSE n::bigint * 7919 END) %% %[4]d`,
			fillDays, s.audit, fillFirst, s.tenants),
		`INSERT INTO figures (minute, installs, events_in, events_applied, records, dead, oldest_seconds)
			SELECT m, 0, 80 + 20 * random(), 75 + 20 * random(), 400 * random(), 1000000, 20 * random()
			FROM generate_series(date_trunc('minute', now()) - interval '7 days', date_trunc('minute', now()) - interval '1 minute', interval '1 minute') AS m`,
		`INSERT INTO healings (id, at, task, row_id, epoch, reason)
			SELECT bench_id(at), at, 'event:apply', gen_random_uuid(), 1, 'its task was not in Redis'
			FROM (SELECT now() - interval '1 minute' * n AS at FROM generate_series(1, 20000) AS n) AS h`,
		`INSERT INTO workers (id, host, pid, version, seen_at, concurrency, lanes, memory_bytes)
			SELECT gen_random_uuid(), 'worker-' || n, 100 + n, 'bench', now() + interval '1 day', 20,
			       '{tokens,lifecycle,events,details,imports,maintenance}', 100000000
			FROM generate_series(1, 12) AS n`,
	}
}

// eventRows makes the events with the numbers $1 to $2 of $3, for $5 tenants, as of $4.
var eventRows = fmt.Sprintf(`
	INSERT INTO events (id, source, event, merchant, tenant_id, status, waiting_for, error, last_error, lane, state, attempts,
		received_at, applied_at, headers, due_at, enqueued_at)
	SELECT bench_id(at), CASE WHEN clerk THEN 'clerk' ELSE 'salla' END,
	       CASE WHEN clerk THEN 'organizationMembership.created' ELSE (ARRAY['order.created', 'order.updated', 'order.status.updated', 'order.shipment.created',
		'order.refunded', 'order.payment.updated', 'product.created', 'product.updated', 'product.quantity.low', 'product.price.updated', 'customer.created',
		'customer.updated', 'customer.login', 'abandoned.cart', 'shipment.updated', 'invoice.created'])[1 + n %% 16] END,
	       CASE WHEN NOT clerk THEN t.merchant END, t.id, e.status, CASE WHEN e.status = 'waiting' THEN 'resume' END,
	       CASE WHEN e.status = 'failed' THEN bench_reason(n / 50) END, CASE WHEN e.status = 'failed' THEN bench_reason(n / 50) END, 'events',
	       CASE WHEN n > $3 - 200 AND e.status = 'received' THEN 'runnable' WHEN e.status = 'received' THEN 'held' WHEN e.status = 'waiting' THEN 'waiting'
	            WHEN e.status = 'failed' THEN 'failed' ELSE 'done' END,
	       CASE WHEN e.status = 'failed' THEN 25 ELSE 0 END, at, CASE WHEN e.status = 'applied' THEN at + interval '90 ms' END,
	       '{"user-agent": "Salla Webhooks", "content-type": "application/json"}', at, at
	FROM (
		SELECT n, $4::timestamptz - interval '%d days' * (1 - n::float8 / $3) AS at, n %% 200 = 9 AS clerk,
		       CASE WHEN n > $3 - 2000 THEN 'received' WHEN n %% 50 < 3 THEN 'failed' WHEN n %% 700 = 5 THEN 'waiting' WHEN n %% 20 = 7 THEN 'ignored'
		            ELSE 'applied' END AS status
		FROM generate_series($1::bigint, $2::bigint) AS n
	) AS e
	JOIN tenants AS t ON t.merchant = %d + (CASE WHEN n %% 100 = 3 THEN 0 ELSE n * 7919 END) %% $5::bigint
	ORDER BY n`, fillDays, fillFirst)

// payloadRows makes the payloads of the events from $1 to $2, of two hundred bytes.
const payloadRows = `
	INSERT INTO %s (event_id, payload, body_length, body_hash)
	SELECT id, format('{"event": "%%s", "merchant": %%s, "created_at": "%%s", "data": {"id": %%s, "status": {"slug": "under_review"}, "amounts":
		{"total": {"amount": %%s.25, "currency": "SAR"}}, "customer": {"first_name": "نورة", "mobile": "9665%%s"}}}',
		event, coalesce(merchant, 0), received_at, coalesce(abs(hashint4(merchant::integer)), 0), (random() * 1000)::integer, (random() * 10000000)::integer)::jsonb,
		200, '\x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
	FROM events
	WHERE id >= (lpad(to_hex((extract(epoch FROM $1::timestamptz) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
	  AND id < (lpad(to_hex((extract(epoch FROM $2::timestamptz) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
	ORDER BY id`
