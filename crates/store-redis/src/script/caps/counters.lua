-- A counter is what is committed, pinned and held of it, as one whole number of 64 bits. Numbers of Lua
-- are exact up to 2^53, so no counter is filled beyond that.
--
-- A reservation is `r:<id>`: its phase (held, pinned; settled as sold, sent or nothing) and its uses, a
-- line each: amount, 1 if a post that left uses it up, milliseconds the counter is kept (0: for ever), name.
-- `holds` has those held, by when they expire, and `pins` those pinned, by name.
local MOST = 9007199254740992

local function each(uses)
  return string.gmatch(uses, '(%d+) ([01]) (%d+) ([^\n]+)\n')
end

local function put(name, amount, kept)
  local key = base .. 'n:' .. name
  redis.call('INCRBY', key, amount)
  if kept ~= '0' then
    redis.call('PEXPIRE', key, kept)
  end
end

-- A counter that is gone is of a window that nobody asks for.
local function take(name, amount)
  local key = base .. 'n:' .. name
  if redis.call('EXISTS', key) == 1 then
    redis.call('DECRBY', key, amount)
  end
end

-- Whether a reservation in this phase counts this use.
local function counts(phase, sent)
  return phase == 'held' or phase == 'pinned' or phase == 'sold' or (phase == 'sent' and sent == '1')
end

-- Ends a hold.
local function drop(id)
  local key = base .. 'r:' .. id
  for amount, _, _, name in each(redis.call('HGET', key, 'uses') or '') do
    take(name, amount)
  end
  redis.call('ZREM', base .. 'holds', id)
  redis.call('DEL', key)
end

-- Ends holds that have expired, the oldest first; says how many.
local function sweep(at, most)
  local over = redis.call('ZRANGEBYSCORE', base .. 'holds', '-inf', whole(at), 'LIMIT', 0, most)
  for _, id in ipairs(over) do
    drop(id)
  end
  return #over
end

