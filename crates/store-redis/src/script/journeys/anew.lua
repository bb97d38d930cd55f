-- The next nodes with conversions that were judged by older rules. ARGV: 3 the number of the rules, 4 how many nodes
-- at most, but for those that end at the same time as the last. Says the number of newer rules or 0, where the walk
-- goes on, and the nodes. A node that changes meanwhile may come twice.
local newest, next = judged_by(tonumber(ARGV[3]))
if newest then
  return { newest, '', {} }
end
if next == 'end' then
  return { 0, 'over', {} }
end
local index = base .. 'converted'
local from = next == '' and '-inf' or '(' .. next
local names = redis.call('ZRANGEBYSCORE', index, from, '+inf', 'LIMIT', 0, ARGV[4])
next = 'end'
if #names == tonumber(ARGV[4]) then
  next = redis.call('ZSCORE', index, names[#names])
  local with = redis.call('ZRANGEBYSCORE', index, next, next)
  local last = 0
  for at, name in ipairs(with) do
    if name == names[#names] then
      last = at
    end
  end
  for at = last + 1, #with do
    names[#names + 1] = with[at]
  end
end
local nodes = {}
for _, name in ipairs(names) do
  nodes[#nodes + 1] = redis.call('GET', base .. 'n:' .. name) or nil
end
return { 0, next, nodes }
