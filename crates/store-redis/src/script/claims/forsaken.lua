-- The log has no record of a lead up to one that says that its router is gone. ARGV: 3 lead, 4 whether it is to be
-- withdrawn now (`yes`). Says whether it is one that was claimed to be posted, and is nobody's.
local lead = ARGV[3]
local known = redis.call('HMGET', base .. 'l:' .. lead, 'phase', 'state', 'lease')
if known[1] ~= 'posting' or known[2] or tonumber(known[3]) > now() then
  return 0
end
if ARGV[4] == 'yes' then
  withdraw(lead)
end
return 1
