-- One step of a claim. ARGV: 3 lead, 4 step, 5.. of the step: `posting` 5 who; `close` 5 the caller's time;
-- `answered` 5 the answer; `withdraw`.
local lead, step = ARGV[3], ARGV[4]
local entry = base .. 'l:' .. lead
local known = redis.call('HMGET', entry, 'phase', 'lease', 'applied', 'key', 'quote', 'by')
local phase = known[1]
if step == 'posting' then
  -- Who asks again because the answer was lost gets the same one.
  if phase == 'admitted' or (phase == 'posting' and known[6] == ARGV[5]) then
    redis.call('HSET', entry, 'phase', 'posting', 'by', ARGV[5])
    if not known[3] then
      redis.call('ZADD', base .. 'taken', known[2], lead)
    end
    -- A buyer may have it from now on: only its records end that, however late they are folded.
    if redis.call('EXISTS', base .. 'e:' .. lead) == 1 then
      redis.call('HSET', base .. 'e:' .. lead, 'lease', '')
    end
    return 1
  end
elseif step == 'close' then
  -- Neither the caller's clock nor the store's alone ends a lease.
  if phase == 'admitted' and tonumber(known[2]) <= math.min(now(), tonumber(ARGV[5])) then
    redis.call('HSET', entry, 'phase', 'closed')
    phase = 'closed'
  end
  if phase == 'closed' then
    return 1
  end
elseif step == 'answered' then
  -- The first answer stays; a lead that was closed has the fold's.
  if phase and phase ~= 'closed' and redis.call('HEXISTS', entry, 'answer') == 0 then
    redis.call('HSET', entry, 'phase', 'answered', 'answer', ARGV[5])
  end
elseif step == 'withdraw' then
  if phase == 'admitted' and not known[3] then
    withdraw(lead)
  end
end
return 0
