-- What an admission is judged by. ARGV: 3 key, 4 digest, 5 lead, 6 campaign, 7 hashes. Says `held` or
-- `conflict`, `own` if its consumer is remembered as its own already, or `judge` with the time and the
-- earlier leads, and what they amount to, so that a change of them is seen.
local at = now()
local said, lead = holder(ARGV[3], ARGV[4], ARGV[5], at)
if said then
  return said
end
if redis.call('EXISTS', base .. 'e:' .. (lead or ARGV[5])) == 1 then
  return { 'own' }
end
local found = earlier(ARGV[6], ARGV[7], at)
return { 'judge', found, whole(at), redis.sha1hex(table.concat(found, '\n')) }
