-- What is known of consumers. `e:<lead>` is a lead as later ones see it: campaign, publisher, at, till,
-- standing, hashes (32 digits each), buyers (a comma between), and `lease` while nothing but the claim speaks
-- for it and it is not posted. `h:<campaign>:<hash>` has the leads with a hash, by how long they are
-- remembered.
local PER_HASH = 64
local HASH = string.rep('%x', 32)
local FIELDS = { 'campaign', 'publisher', 'at', 'till', 'standing', 'hashes', 'buyers', 'lease' }

local function consumer(lead)
  return redis.call('HMGET', base .. 'e:' .. lead, unpack(FIELDS))
end

local function index(campaign, hash)
  return base .. 'h:' .. campaign .. ':' .. hash
end

local function forget(lead)
  local key = base .. 'e:' .. lead
  local known = redis.call('HMGET', key, 'campaign', 'hashes')
  if known[1] then
    for hash in string.gmatch(known[2], HASH) do
      redis.call('ZREM', index(known[1], hash), lead)
    end
    redis.call('DEL', key)
  end
end

-- Leads of a campaign with one of these hashes (32 digits each) that count at this time, but for the lead
-- that asks: the lead, then its fields, one after the other.
local function earlier(campaign, hashes, at, asks)
  local found, seen = {}, { [asks or ''] = true }
  for hash in string.gmatch(hashes, HASH) do
    local key = index(campaign, hash)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(at))
    for _, lead in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      if not seen[lead] then
        seen[lead] = true
        local known = consumer(lead)
        -- A claim whose router died before it recorded anything is nobody's lead.
        local alive = known[8] == '' or tonumber(known[8] or 0) > at
        if known[1] and alive and tonumber(known[4]) > at then
          found[#found + 1] = lead
          for field = 1, 7 do
            found[#found + 1] = known[field]
          end
        end
      end
    end
  end
  return found
end

-- Remembers a lead. Where too many have one hash, one that was not sold goes, else the oldest.
local function remember(lead, known, at)
  forget(lead)
  local key = base .. 'e:' .. lead
  local left = tonumber(known[4]) - at
  if left <= 0 then
    return
  end
  local kept = whole(math.ceil(left / 1000))
  for hash in string.gmatch(known[6], HASH) do
    local leads = index(known[1], hash)
    if redis.call('ZCARD', leads) >= PER_HASH then
      local all = redis.call('ZRANGE', leads, 0, -1)
      table.sort(all)
      local goes = all[1]
      for _, other in ipairs(all) do
        if redis.call('HGET', base .. 'e:' .. other, 'standing') == 'unsold' then
          goes = other
          break
        end
      end
      forget(goes)
      redis.call('ZREM', leads, goes)
    end
    redis.call('ZADD', leads, known[4], lead)
    if redis.call('PTTL', leads) < tonumber(kept) then
      redis.call('PEXPIRE', leads, kept)
    end
  end
  for field = 1, 8 do
    redis.call('HSET', key, FIELDS[field], known[field] or '')
  end
  redis.call('PEXPIRE', key, kept)
end

