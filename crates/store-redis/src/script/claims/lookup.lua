-- ARGV: 3 key, 4 digest. Says `free`, `conflict`, `quote` with the answer, or `lead` with what is known of it.
local known = redis.call('HMGET', base .. 'k:' .. ARGV[3], 'digest', 'lead', 'answer', 'till')
if not known[1] or (known[4] and tonumber(known[4]) <= now()) then
  return { 'free' }
end
if known[1] ~= ARGV[4] then
  return { 'conflict' }
end
if known[2] then
  local lead = view(known[2])
  return { lead[1] and 'lead' or 'free', lead }
end
return { 'quote', { known[3] } }
