package budget

import "github.com/redis/go-redis/v9"

// A bucket is these numbers, packed in this order:
//
//	limit    calls a window, as announced; until one was, as assumed
//	known    1 once an answer announced it
//	level    what remains by the answers that have come
//	at       when level was computed, ms
//	flight   calls taken whose answers have not come yet
//	late     those of them that were taken before the window opened, until grace
//	taken    calls taken ever; answered: answers ever; first: taken as the window opened
//	since    the newest call that told a new limit
//	least    the least that was announced in this window; -1: nothing yet
//	reset    when the window ends, ms; guessed is 0 once an answer told it
//	past     when the window before ended
//	opened   when the window opened
//	rises    2 and more: what remains grows with time, a leaky bucket
//	blocked  until when Salla asked for silence, ms
//	turn0…3  when the last refused caller of a class is to come again, ms
//
// A call may be made while level - flight - late is above what is kept. Times are
// Redis's own, so that all processes agree. A window that ends gives the whole limit
// again, but for the calls in flight, which may fall into the new one; a call that is
// never answered ends with its window.
const bucketLua = `
local GRACE, SLACK, PAUSE = 35000, 2000, 5000
local FIELDS = { 'limit', 'known', 'level', 'at', 'flight', 'late', 'grace', 'taken', 'answered', 'first',
	'since', 'least', 'reset', 'guessed', 'past', 'opened', 'rises', 'blocked', 'turn0', 'turn1', 'turn2', 'turn3' }
local function age(b, now)
	b.late = b.late + b.flight
	b.grace = b.late > b.flight and b.grace or now + GRACE
	b.flight, b.first, b.opened = 0, b.taken + 1, now
end
local function open(key, limit, window, now, kept)
	local b, packed = { key = key, window = window }, redis.call('GET', key)
	local values = packed and cmsgpack.unpack(packed) or {}
	for i = 1, #FIELDS do
		b[FIELDS[i]] = values[i] or 0
	end
	b.new = not packed
	if b.new then
		b.guessed, b.least, b.first = 1, -1, 1
	end
	if b.new or b.known == 0 and not kept then
		b.limit = limit
	end
	if now >= b.grace then
		b.late = 0
	end
	if b.rises >= 2 then
		b.level = b.level + (now - b.at) * b.limit / window
		if now >= b.opened + window then
			age(b, now)
		end
	end
	if now >= b.reset then
		if b.guessed == 0 then
			b.past = b.reset
		end
		age(b, now)
		b.level, b.reset, b.guessed, b.least = b.limit, now + window, 1, -1
	end
	b.level, b.at = math.min(b.level, b.limit), now
	return b
end
local function room(b)
	return math.floor(b.level + 0.001) - b.flight - b.late
end
local function save(b)
	local values = {}
	for i = 1, #FIELDS do
		values[i] = b[FIELDS[i]]
	end
	redis.call('SET', b.key, cmsgpack.pack(values), 'PX', 86400000)
end
local function clock(ms)
	ms = tonumber(ms)
	if ms > 0 then
		return ms
	end
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end
`

// KEYS: the store's bucket, and the customers' where the call counts there too.
// ARGV: now ms (0: Redis's), the class's number, its share kept for others in %, the
// calls it wants to find free beside its own, its stagger ms, then limit and window ms
// of each bucket. Gives the ms to wait, or 0 and of each bucket what the answer will
// be compared with.
//
// In a window what is kept melts evenly until the reset; of a leaky bucket it stays,
// for what leaks is used all the same. Who is refused gets the time at which a call
// will be free for it, behind those of its class that were refused before.
var takeScript = redis.NewScript(bucketLua + `
local now, class, share, spare, stagger = clock(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local wait, buckets, told = 0, {}, { 0 }
for i, key in ipairs(KEYS) do
	local b = open(key, tonumber(ARGV[4 + 2 * i]), tonumber(ARGV[5 + 2 * i]), now)
	local kept, left = b.limit * share / 100, room(b) - 1
	local rises, at, step, last = b.rises >= 2, nil, nil, nil
	local keep = math.floor(rises and kept or kept * math.min((b.reset - now) / b.window, 1))
	local need = math.min(keep + spare, b.limit - 1)
	if b.blocked > now then
		at, step, last = b.blocked + stagger, 100, b.blocked + stagger + 5000
	elseif left < need and rises then
		step = b.window / b.limit
		at, last = now + (need - left) * step, now + b.window
	elseif left < spare then
		at, step, last = b.reset + stagger, math.min(b.window / b.limit, 100), b.reset + stagger + 5000
	elseif left < need then
		step = b.window / kept
		at, last = b.reset - (left - spare + 1) * step, b.reset + stagger
	elseif b.known == 0 and i == 1 and b.flight >= 20 then
		at, step, last = now + 500, 100, now + 2000
	end
	if at then
		local turn = 'turn' .. class
		if b[turn] > now then
			at = math.max(at, b[turn] + step)
		end
		b[turn] = math.ceil(math.max(math.min(at, last), now + 1))
		b.refuses, wait = true, math.max(wait, b[turn] - now)
	end
	buckets[i] = b
end
for i, b in ipairs(buckets) do
	if wait == 0 then
		local n = 3 * i
		b.flight, b.taken = b.flight + 1, b.taken + 1
		told[n - 1], told[n], told[n + 1] = b.taken, b.answered, b.least
		save(b)
	elseif b.refuses then
		save(b)
	end
end
told[1] = wait
return told
`)

// KEYS as above. ARGV: now ms, limit, remaining, ms until the reset (0: not said),
// retry ms, whether the call was refused, the bucket that the headers speak of, the
// bucket that a refusal is of, then of each bucket limit, window ms and what Take gave.
//
// All answers that have come when a call is taken are counted by Salla before it; so
// what it announces, less the answers that have come since, is surely left once all
// calls in flight are counted, and what it announces is the most. An answer of a
// window that is over tells nothing; one of a later window than ours, that ours is over.
var observeScript = redis.NewScript(bucketLua + `
local now, limit, remaining, reset = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local retry, refused, about, culprit = tonumber(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7]), tonumber(ARGV[8])
if reset > 0 then
	reset = now + math.min(reset, 900000)
end
local function learn(b, seq, answered, least)
	local window = b.window
	local anew = b.known == 0 or limit ~= b.limit
	if reset > 0 and (reset <= b.past + SLACK or b.guessed == 0 and reset < b.reset - SLACK)
		or reset == 0 and seq < b.first or anew and b.known == 1 and seq < b.since then
		return
	end
	local later = b.guessed ~= 0 or reset > b.reset + SLACK
	if reset == 0 then
		later = false
	elseif later then
		if b.guessed == 0 then
			b.past = b.reset
		end
		b.reset, b.guessed, b.least = reset, 0, -1
	elseif b.rises >= 2 then
		b.reset = math.max(b.reset, reset)
	else
		b.reset = math.min(b.reset, reset)
	end
	local low, high = math.max(remaining - math.max(b.answered - 1 - answered, 0), 0), remaining
	if anew then
		b.limit, b.known, b.since, b.least, b.level = limit, 1, seq, -1, low
	else
		b.level = math.max(math.min(b.level, high), low)
	end
	-- A leak gives calls back before the reset, and never all of them sooner than it can.
	local leaks = reset > 0 and reset - now + 3000 >= (limit - remaining) * window / limit
	if not leaks then
		b.rises = 0
	elseif not anew and not later and seq > b.since and seq >= b.first and least >= 0 and remaining >= least + math.max(2, limit / 100) then
		b.rises = math.min(b.rises + 1, 3)
	end
	b.least = b.least < 0 and remaining or math.min(b.least, remaining)
end
for i, key in ipairs(KEYS) do
	local n = 5 + 5 * i
	local b = open(key, tonumber(ARGV[n - 1]), tonumber(ARGV[n]), now)
	local seq = tonumber(ARGV[n + 1])
	if seq >= b.first then
		b.flight = math.max(b.flight - 1, 0)
	else
		b.late = math.max(b.late - 1, 0)
	end
	b.answered = b.answered + 1
	if i == about and limit > 0 then
		learn(b, seq, tonumber(ARGV[n + 2]), tonumber(ARGV[n + 3]))
	else
		b.level = math.max(b.level - 1, 0)
		if b.guessed == 1 then -- Salla's window began no later than this
			b.reset, b.guessed = now + b.window, 2
		end
	end
	-- Where the answer tells when to come again that is obeyed, and nothing is guessed.
	-- One that does not, though much was left, is not about the window.
	if i == culprit and refused and i == 1 and retry == 0 and b.level > b.limit / 2 then
		retry = PAUSE
	elseif i == culprit and refused and (i == 2 or retry == 0) then
		b.level, b.rises = 0, 0
		if i == 2 and retry > 0 then
			b.reset, b.guessed = now + retry, 0
		end
	end
	if i == culprit and retry > 0 then
		b.blocked = math.max(b.blocked, now + retry)
	end
	save(b)
end
return 0
`)

// KEYS: the customers' bucket, then stores'. ARGV: now ms, limit and window ms of the
// one, and of the others. Gives of each what readShare reads.
var stateScript = redis.NewScript(bucketLua + `
local now, out = clock(ARGV[1]), {}
for i, key in ipairs(KEYS) do
	local n = i == 1 and 2 or 4
	local b = open(key, tonumber(ARGV[n]), tonumber(ARGV[n + 1]), now, true)
	local left = math.max(room(b), 0)
	local reset = b.reset - now
	if left >= b.limit then
		reset = 0
	elseif b.rises >= 2 then
		reset = (b.limit - left) * b.window / b.limit
	end
	out[i] = { b.limit, left, reset, b.blocked - now, b.known }
end
return out
`)
