"""Read agent definition files: text in, agents and problems out.

No function of this package touches the disk. In reading order: `plain_text`, `blocks`
(Markdown), `headings` (which heading stands for which field), `sections`, `dialogues`,
`descriptions`, `safe_yaml`, `front_matter`, `bmad`, `recognition` (agent or document),
`agent_file` (all of these together), `json_lines`, `boilerplate`.
"""

from agentmatch.parsing.agent_file import parse_agent, parse_agent_file
from agentmatch.parsing.boilerplate import strip_boilerplate
from agentmatch.parsing.json_lines import parse_json_lines

__all__ = ["parse_agent", "parse_agent_file", "parse_json_lines", "strip_boilerplate"]
