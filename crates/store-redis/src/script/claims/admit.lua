-- The fence. ARGV: 3 key, 4 digest, 5 lead, 6 quote or nothing, 7 microseconds of the lease, 8 campaign,
-- 9 hashes, 10 publisher, 11 microseconds its consumer is remembered, 12 what the earlier leads amounted to
-- when it was judged, 13 whether it is a `duplicate`, 14 when the quote was made.
-- Says `granted` or `duplicate` and the lead, `held`, `conflict`, `used`, `void`, or `again` if it has to be
-- judged again.
local at = now()
local key, digest, quote = ARGV[3], ARGV[4], ARGV[6]
local said, lead = holder(key, digest, ARGV[5], at)
if said then
  return said
end
local taken_over = lead ~= nil
lead = lead or ARGV[5]
local hashes, duplicate = ARGV[9], ARGV[13] == 'duplicate'
local own = redis.call('EXISTS', base .. 'e:' .. lead) == 1
if hashes ~= '' then
  if redis.sha1hex(table.concat(earlier(ARGV[8], hashes, at, lead), '\n')) ~= ARGV[12] then
    return { 'again' }
  end
end
if quote ~= '' then
  local used = redis.call('GET', base .. 'q:' .. quote)
  if used and used ~= lead then
    return { 'used' }
  end
  -- Whether one of an epoch before was used nobody knows. An id has milliseconds.
  local began = math.floor(tonumber(string.match(ARGV[1], '^%d+')) / 1000) * 1000
  if not used and tonumber(ARGV[14]) < began then
    return { 'void' }
  end
  redis.call('SET', base .. 'q:' .. quote, lead)
end
local lease = whole(at + ARGV[7])
if own then
  if redis.call('HGET', base .. 'e:' .. lead, 'lease') ~= '' then
    if duplicate then
      forget(lead)
    else
      redis.call('HSET', base .. 'e:' .. lead, 'lease', lease)
    end
  end
elseif hashes ~= '' and not duplicate then
  local till = whole(at + ARGV[11])
  remember(lead, { ARGV[8], ARGV[10], whole(at), till, 'in_flight', hashes, '', lease }, at)
end
local entry = base .. 'l:' .. lead
redis.call('HSET', entry, 'phase', 'admitted', 'lease', lease)
if not taken_over then
  redis.call('HSET', base .. 'k:' .. key, 'digest', digest, 'lead', lead)
  redis.call('HSET', entry, 'key', key)
  if quote ~= '' then
    redis.call('HSET', entry, 'quote', quote)
  end
end
if redis.call('HEXISTS', entry, 'state') == 0 then
  -- In case no record of it is ever written.
  redis.call('ZADD', base .. 'unrecorded', lease, lead)
  redis.call('ZREMRANGEBYSCORE', base .. 'unrecorded', '-inf', whole(at - KEPT * 1000))
  keep(lead, whole(math.ceil(ARGV[7] / 1000) + KEPT))
end
return { duplicate and 'duplicate' or 'granted', { lead } }
