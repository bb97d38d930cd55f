-- A lead is `l:<lead>`: `phase` (admitted, posting, answered, closed), `lease`, the names of its key and
-- its quote, `answer`, and the fold of its records: `state`, and `applied`, how far it reaches.
-- `k:<key>` is a key: `digest`, and the `lead`, or the `answer` to a ping, good `till` then.
-- `q:<quote>` is the lead that used a quote. `unrecorded` has leads without a fold, by their lease, `taken` those of them
-- that are posting. What is not told to stay goes a day after it was last of use.
local KEPT = 86400000

local function view(lead)
  local known = redis.call('HMGET', base .. 'l:' .. lead, 'phase', 'state', 'answer')
  if not known[1] then
    return {}
  end
  return { lead, known[2] or '', known[3] or '' }
end

-- All that leads to a lead lives as long as it does; for ever while it is open.
local function keep(lead, millis)
  local key = base .. 'l:' .. lead
  local claimed = redis.call('HMGET', key, 'key', 'quote')
  local keys = { key }
  if claimed[1] then
    keys[#keys + 1] = base .. 'k:' .. claimed[1]
  end
  if claimed[2] then
    keys[#keys + 1] = base .. 'q:' .. claimed[2]
  end
  for _, each in ipairs(keys) do
    if millis then
      redis.call('PEXPIRE', each, millis)
    else
      redis.call('PERSIST', each)
    end
  end
end

-- Who holds a key, as an answer, or nothing if it is free: `lead`, and whether the caller may have it.
local function holder(key, digest, own, at)
  local known = redis.call('HMGET', base .. 'k:' .. key, 'digest', 'lead')
  if not known[1] then
    return nil
  end
  -- A ping's key has another scope than a post's.
  if known[1] ~= digest or not known[2] then
    return { 'conflict' }
  end
  local lead = known[2]
  local claim = redis.call('HMGET', base .. 'l:' .. lead, 'phase', 'lease')
  if claim[1] == 'admitted' and (tonumber(claim[2]) <= at or lead == own) then
    return nil, lead
  end
  if claim[1] then
    return { 'held', view(lead) }
  end
  return nil
end

-- The partition is folded up to here.
local function reach(partition, offset)
  if tonumber(redis.call('HGET', base .. 'folded', partition) or 0) < tonumber(offset) then
    redis.call('HSET', base .. 'folded', partition, offset)
  end
end

