-- Health of a CloudTrailSource or a CloudTrailBackfill for Argo CD, by the rules of kstatus.
-- Install it in the ConfigMap argocd-cm; argocd.md says how.

-- What is under way, or often cures itself: the operator sets Stalled when it lasts.
local passing = {
  RollingOut = true,
  WaitingForCollectors = true,
  ReconcileFailed = true,
  AccessDenied = true,
  CredentialsRejected = true,
  QueueNotFound = true,
  BucketNotFound = true,
  KmsAccessDenied = true,
}

local function find(conditions, kind)
  for _, condition in ipairs(conditions) do
    if condition.type == kind then
      return condition
    end
  end
  return nil
end

local function holds(condition)
  return condition ~= nil and condition.status == "True"
end

local function tell(status, condition)
  return { status = status, message = condition.reason .. ": " .. (condition.message or "") }
end

local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to look at the source" }
end

local stalled = find(status.conditions, "Stalled")
if holds(stalled) then
  return tell("Degraded", stalled)
end
local reconciling = find(status.conditions, "Reconciling")
local ready = find(status.conditions, "Ready")
if ready == nil then
  return { status = "Progressing", message = "Waiting for the operator to judge the source" }
end
-- Paused is healthy, and not "Suspended": a sync in waves would wait for a suspended source for ever.
if holds(ready) then
  return tell("Healthy", ready)
end
if ready.status == "Unknown" or passing[ready.reason] then
  return tell("Progressing", ready)
end
-- A pod that cannot start keeps the rollout going: what is wrong with it counts more.
if holds(reconciling) and ready.reason ~= "CollectorFailing" then
  return tell("Progressing", reconciling)
end
return tell("Degraded", ready)
