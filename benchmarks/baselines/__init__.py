"""The methods that agentmatch is measured against; each turns a `Task` into scores."""
