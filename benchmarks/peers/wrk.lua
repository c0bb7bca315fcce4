-- POSTs one body, and counts the answers that are not what they should be.
-- wrk … URL -- BODY_FILE WANTED ENDING: an answer is good that is a 200, has WANTED somewhere in it,
-- and the line ENDING, unless that is empty, last.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1]))
  wrk.body = file:read("*a")
  file:close()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wanted, ending = args[2], args[3]
  wrong, first_wrong = 0, ""
end

function response(status, headers, body)
  local good = status == 200 and body:find(wanted, 1, true)
  if good and ending ~= "" then
    good = body:find(ending, -#ending - 4, true)
  end
  if not good then
    wrong = wrong + 1
    if first_wrong == "" then
      first_wrong = status .. " " .. body:sub(1, 200)
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local thread = threads[1]
  io.write(string.format(
    "RESULT requests=%d duration=%d wrong=%d connect=%d read=%d write=%d timeout=%d p50=%d p99=%d\n",
    summary.requests, summary.duration, thread:get("wrong"), errors.connect, errors.read,
    errors.write, errors.timeout, latency:percentile(50), latency:percentile(99)))
  io.write("WRONG " .. thread:get("first_wrong"):gsub("%c", " ") .. "\n")
end
