-- A lead as a record leaves it. ARGV: 3 lead, 4 partition, 5 how far its fold reached, 6 how far it reaches now,
-- 7 state, 8 what it makes of the claim (closed, answered, posting, or nothing), 9 answer or nothing,
-- 10 whether it is `open`, has `ended`, or ended long ago and is read `again`, 11 when it was received, 12 key or nothing, 13 digest, 14 quote or nothing,
-- 15.. what is remembered of its consumer, if anything is.
-- Says 1, or 0 if somebody else folded it meanwhile.
local at = now()
local lead, partition, standing = ARGV[3], ARGV[4], ARGV[10]
local entry = base .. 'l:' .. lead
local known = redis.call('HMGET', entry, 'phase', 'applied', 'answer')
if (known[2] or '0') ~= ARGV[5] then
  return 0
end
local phase = known[1]
if not phase then
  -- The claim of a process that is gone.
  phase = 'admitted'
  redis.call('HSET', entry, 'lease', '0')
  if ARGV[12] ~= '' then
    redis.call('HSET', entry, 'key', ARGV[12])
    if redis.call('EXISTS', base .. 'k:' .. ARGV[12]) == 0 then
      redis.call('HSET', base .. 'k:' .. ARGV[12], 'digest', ARGV[13], 'lead', lead)
    end
  end
  if ARGV[14] ~= '' then
    redis.call('HSET', entry, 'quote', ARGV[14])
    redis.call('SET', base .. 'q:' .. ARGV[14], lead, 'NX')
  end
end
local makes = ARGV[8]
if phase ~= 'closed' and makes ~= '' and (makes ~= 'posting' or phase == 'admitted') then
  phase = makes
end
redis.call('HSET', entry, 'phase', phase, 'applied', ARGV[6], 'state', ARGV[7])
redis.call('ZREM', base .. 'unrecorded', lead)
redis.call('ZREM', base .. 'taken', lead)
if ARGV[9] ~= '' and not known[3] then
  redis.call('HSET', entry, 'answer', ARGV[9])
end
-- While the store is made again leads come in no order, and the epoch is a word, not a number.
if string.match(ARGV[1], '^%d') then
  reach(partition, ARGV[6])
end
if standing == 'open' then
  redis.call('ZADD', base .. 'open:' .. partition, ARGV[11], lead)
  keep(lead)
else
  redis.call('ZREM', base .. 'open:' .. partition, lead)
  keep(lead, KEPT)
end
if standing == 'again' then
  redis.call('HSET', entry, 'again', '1')
else
  if ARGV[15] then
    remember(lead, { ARGV[15], ARGV[16], ARGV[17], ARGV[18], ARGV[19], ARGV[20], ARGV[21], '' }, at)
  else
    forget(lead)
  end
end
return 1
