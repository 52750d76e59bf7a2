package budget

import "github.com/redis/go-redis/v9"

// A bucket is a hash:
//
//	limit    calls a window, as announced, else as assumed
//	known    1 once an answer announced it
//	left     calls that may still be made in this window
//	reset    when the window ends, ms; guessed is 1 while no answer has confirmed it
//	flight   calls taken whose answers have not come yet
//	blocked  until when Salla asked for silence, ms
//
// Times are Redis's own, so that all processes agree. A window that ends gives the
// whole limit again, but for the calls in flight, which fall into the new one.
const bucketLua = `
local function now_ms()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function open(key, limit, window, now)
	local h = redis.call('HMGET', key, 'limit', 'known', 'left', 'reset', 'guessed', 'flight', 'blocked')
	local b = { key = key,
		limit = tonumber(h[1]) or limit, known = tonumber(h[2]) or 0,
		left = tonumber(h[3]) or limit, reset = tonumber(h[4]) or 0, guessed = tonumber(h[5]) or 1,
		flight = tonumber(h[6]) or 0, blocked = tonumber(h[7]) or 0 }
	if now >= b.reset then
		b.left = math.max(b.limit - b.flight, 0)
		b.reset, b.guessed, b.flight = now + window, 1, 0
	end
	return b
end
local function save(b)
	redis.call('HSET', b.key, 'limit', b.limit, 'known', b.known, 'left', b.left, 'reset', string.format('%.0f', b.reset),
		'guessed', b.guessed, 'flight', b.flight, 'blocked', string.format('%.0f', b.blocked))
	redis.call('PEXPIRE', b.key, 86400000)
end
`

// KEYS: the store's bucket, and the customers' where the call counts there too.
// ARGV: calls, reserve %, stagger ms, then limit and window ms of each bucket.
// Gives 0 if taken, else the ms to wait.
var takeScript = redis.NewScript(bucketLua + `
local now, calls, reserve, stagger = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local wait, open_buckets = 0, {}
for i, key in ipairs(KEYS) do
	local b = open(key, tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i]), now)
	local keep = math.min(math.ceil(b.limit * reserve / 100), b.limit - calls)
	if b.blocked > now then
		wait = math.max(wait, b.blocked - now + stagger)
	elseif b.left - calls < math.max(keep, 0) then
		wait = math.max(wait, b.reset - now + stagger, 1)
	elseif i == 1 and b.known == 0 and b.flight >= 20 then
		wait = math.max(wait, 500)
	end
	open_buckets[i] = b
end
if wait > 0 then
	return wait
end
for _, b in ipairs(open_buckets) do
	b.left, b.flight = b.left - calls, b.flight + calls
	save(b)
end
return 0
`)

// KEYS as above. ARGV: limit, remaining, reset ms, retry ms, the bucket that the
// headers speak of, then limit and window ms of each bucket.
//
// What remains was counted when Salla answered: calls in flight may come on top.
// An answer of a window that is over tells nothing; one of a later window than
// ours tells that ours is over. The reset is announced in whole seconds, rounded
// down, hence the second added to it.
var observeScript = redis.NewScript(bucketLua + `
local now = now_ms()
local limit, remaining, reset = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retry, about = tonumber(ARGV[4]), math.min(tonumber(ARGV[5]), #KEYS)
for i, key in ipairs(KEYS) do
	local b = open(key, tonumber(ARGV[4 + 2 * i]), tonumber(ARGV[5 + 2 * i]), now)
	b.flight = math.max(b.flight - 1, 0)
	if i == about and limit > 0 then
		local room = math.max(remaining - b.flight, 0)
		local changed = b.known == 0 or b.limit ~= limit
		b.limit, b.known = limit, 1
		if reset > 0 then
			reset = math.min(math.max(reset + 1000, now + 1000), now + 900000)
		end
		if reset == 0 then
			b.left = math.min(b.left, room)
		elseif b.guessed == 1 then
			b.reset, b.guessed = reset, 0
			b.left = changed and room or math.min(b.left, room)
		elseif reset > b.reset + 2000 then
			b.reset, b.left = reset, room
		elseif reset >= b.reset - 2000 then
			b.left = changed and room or math.min(b.left, room)
		end
	end
	-- A 429 of a customers endpoint whose store has calls left is the egress's.
	local target = about
	if #KEYS == 2 and about == 1 and remaining > 0 then
		target = 2
	end
	if i == target and retry > 0 then
		b.blocked = math.max(b.blocked, now + retry)
	end
	save(b)
end
return 0
`)
