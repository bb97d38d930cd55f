-- How every script begins. KEYS[1] is the epoch of the keys it works on; all its other keys begin as that
-- one does. ARGV[1] is the epoch its caller knows, ARGV[2] the time where it is not this server's: in a test.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('EPOCH what is kept here was made anew')
end
local base = string.sub(KEYS[1], 1, -6)

local function now()
  if ARGV[2] ~= '' then
    return tonumber(ARGV[2])
  end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- A whole number as text: Lua's own has 14 digits.
local function whole(number)
  return string.format('%.0f', number)
end

