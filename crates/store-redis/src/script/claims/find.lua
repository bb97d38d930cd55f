-- ARGV: 3 what by, 4 its name. Says what is known: of a `lead` its view, of a `key` or a `quote` the lead,
-- of a `consumer` (5 hashes) the leads before, and how far a `news` is.
local by, name = ARGV[3], ARGV[4]
if by == 'lead' then
  return view(name)
elseif by == 'key' then
  return { redis.call('HGET', base .. 'k:' .. name, 'lead') or nil }
elseif by == 'quote' then
  return { redis.call('GET', base .. 'q:' .. name) or nil }
elseif by == 'consumer' then
  return earlier(name, ARGV[5], now())
end
local known = redis.call('HMGET', base .. 'l:' .. name, 'phase', 'applied')
if not known[1] then
  return {}
end
return { known[2] or '0', redis.call('HEXISTS', base .. 'l:' .. name, 'answer') .. '' }
