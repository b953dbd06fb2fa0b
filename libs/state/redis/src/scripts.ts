import { redisScript } from "@weft/redis";
import { etagBytes } from "./entry.ts";

/**
 * Writes as a whole or not at all: 1, or 0 when a precondition does not hold.
 *
 * KEYS: the index, then the entry of each operation. ARGV: what keys of entries begin with, then for each operation its
 * key in the index, its precondition (an etag, `-` for nothing there, or empty), its TTL in milliseconds (or empty), and
 * what to store (empty: delete).
 *
 * Of a full server the first write that needs room is refused, and Redis lets a script that has written go on: so it is
 * all or nothing there too.
 *
 * Entries that expire leave their keys in the index. For each entry with a TTL two keys are drawn there and dropped if
 * nothing is behind them: at more than half of such keys they are dropped faster than they come.
 */
export const writeScript = redisScript(`
local operations = #KEYS - 1
for i = 1, operations do
  local precondition = ARGV[4 * i - 1]
  if precondition == '-' then
    if redis.call('EXISTS', KEYS[i + 1]) == 1 then return 0 end
  elseif precondition ~= '' then
    if redis.call('GETRANGE', KEYS[i + 1], 0, ${etagBytes - 1}) ~= precondition then return 0 end
  end
end
local expiring = 0
for i = 1, operations do
  local key, ttl, stored = ARGV[4 * i - 2], ARGV[4 * i], ARGV[4 * i + 1]
  if stored == '' then
    redis.call('DEL', KEYS[i + 1])
    redis.call('ZREM', KEYS[1], key)
  else
    if ttl == '' then
      redis.call('SET', KEYS[i + 1], stored)
    else
      redis.call('SET', KEYS[i + 1], stored, 'PX', ttl)
      expiring = expiring + 1
    end
    redis.call('ZADD', KEYS[1], 0, key)
  end
end
if expiring > 0 then
  for _, key in ipairs(redis.call('ZRANDMEMBER', KEYS[1], 2 * expiring)) do
    if redis.call('EXISTS', ARGV[1] .. key) == 0 then redis.call('ZREM', KEYS[1], key) end
  end
end
return 1
`);

/**
 * One look at a range: where it stopped (null at the end), then keys and what is stored, in turn.
 *
 * KEYS: the index. ARGV: what keys of entries begin with, the command, its two bounds, how many entries at most, how
 * many keys to look at, and after how many bytes to stop. Keys of expired entries are dropped on the way.
 */
export const rangeScript = redisScript(`
local limit, looks, room = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local keys = redis.call(ARGV[2], KEYS[1], ARGV[3], ARGV[4], 'LIMIT', 0, looks)
local reply, expired, found = { false }, {}, 0
if #keys == looks then reply[1] = keys[looks] end
for _, key in ipairs(keys) do
  local stored = redis.call('GET', ARGV[1] .. key)
  if stored then
    found = found + 1
    room = room - #stored
    reply[#reply + 1] = key
    reply[#reply + 1] = stored
    if found == limit or room <= 0 then
      reply[1] = key
      break
    end
  else
    expired[#expired + 1] = key
  end
end
if #expired > 0 then redis.call('ZREM', KEYS[1], unpack(expired)) end
return reply
`);
