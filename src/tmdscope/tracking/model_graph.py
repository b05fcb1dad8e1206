"""What the graph of a model's program may say: known keys, names, operators and plain expressions.

torch evaluates the texts of a graph when it loads one, so that one that is not on a list here is refused by a
`ValueError`.
"""

import json
import re
from typing import Any

PROGRAM = "data/model.pt2"
"""File of a model: its exported program."""

GRAPH = "models/model.json"
"""Record of a program: its graph."""

_PROGRAM_KEYS = set(
    "graph_module guards_code opset_version range_constraints schema_version torch_version verifiers".split()
)
_MODULE_KEYS = set("graph metadata module_call_graph signature treespec_namedtuple_fields".split())
_GRAPH_KEYS = set(
    "arg as_bool as_device as_expr as_float as_int as_ints as_layout as_memory_format as_name as_none "
    "as_scalar_type as_string as_sym_int as_sym_ints as_tensor as_tensors buffer buffer_name "
    "custom_obj_values device dtype expr_str hint index input_specs inputs "
    "is_hop_single_tensor_return is_single_tensor_return kind layout "
    "name nodes output_specs outputs parameter parameter_name persistent requires_grad sizes "
    "storage_offset strides sym_bool_values sym_float_values sym_int_values target tensor_constant "
    "tensor_constant_name tensor_values type user_input user_output".split()
)
_NAME, DOTTED = r"[A-Za-z_][A-Za-z0-9_]{0,199}", r"[A-Za-z_][A-Za-z0-9_.]{0,199}"
_SPEC = (
    r'(?:[\[\]{}:, \d]|"(?:type|context|children_spec|builtins\.(?:tuple|dict|list)|null|\[\])"|null){1,2000}'
)
_OPERATORS = (
    "_assert_tensor_metadata adaptive_avg_pool2d add add_ addcmul avg_pool2d batch_norm cat conv2d div "
    "dropout expand flatten gelu hardsigmoid hardswish hardswish_ hardtanh hardtanh_ layer_norm "
    "linalg_vector_norm linear log_sigmoid log_softmax matmul max_pool2d mean mul neg numpy_T pad permute "
    "relu relu_ reshape rsub scaled_dot_product_attention select sigmoid silu silu_ slice softmax stack sub "
    "sym_size t to transpose unbind unsqueeze view"
)
"""Of the heads, ResNets, EfficientNets, MobileNets, ConvNeXts and vision transformers."""
_SYMBOL = r"Symbol\('s\d{1,6}', positive=True, integer=True\)"
_WORDS = {
    "name": _NAME,
    "parameter_name": DOTTED,
    "buffer_name": DOTTED,
    "tensor_constant_name": DOTTED,
    "target": rf"torch\.ops\.aten\.(?:{_OPERATORS.replace(' ', '|')})\.\w{{1,30}}",
    "type": r"cpu",
    "as_string": r"constant|none|tanh",
    "as_name": _NAME,
    "expr_str": rf"(?:{_SYMBOL}|Integer\(\d{{1,15}}\)|Mul\(|Add\(|\)|, ){{1,50}}",
}
"""What a text of the graph may be, by the key that it stands under. torch evaluates `expr_str`."""


def json_of(name: str, content: bytes) -> Any:
    """Read a record of a program."""
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{PROGRAM}: {name} is not JSON ({error})") from error


def expect_keys(what: str, found: Any, allowed: set[str], needed: set[str] | None = None) -> None:
    """Refuse what is no object, has keys that are not allowed, or lacks one that is needed."""
    if not isinstance(found, dict):
        raise ValueError(f"{what} is a {type(found).__name__}")
    if odd := [key for key in found if key not in allowed]:
        raise ValueError(f"{what} says {str(odd[0])[:80]!r}, which no model of ours says")
    if missing := sorted((needed or set()) - set(found)):
        raise ValueError(f"{what} does not say {missing[0]}")


def check_graph(program: Any) -> dict[str, Any]:
    """Check the JSON of a program; gives it without what only tells of its making."""
    expect_keys("the program", program, _PROGRAM_KEYS, {"graph_module"})
    module = program["graph_module"]
    expect_keys("the program's module", module, _MODULE_KEYS, {"graph", "signature", "module_call_graph"})
    if program.get("guards_code") or module.get("metadata") or module.get("treespec_namedtuple_fields"):
        raise ValueError(f"{PROGRAM}: its graph has code, types or remarks of its own")
    graph = module["graph"]
    expect_keys("the graph", graph, _GRAPH_KEYS, {"nodes"})
    for node in graph["nodes"]:
        expect_keys("a node of the graph", node, {*_GRAPH_KEYS, "metadata"}, {"target"})
        node["metadata"] = {}  # texts of its making, which are for nobody but who reads it
    values = {kind: graph.get(kind, {}) for kind in ("tensor_values", "sym_int_values")}
    for named in values.values():
        expect_keys("the graph", named, {name for name in named if re.fullmatch(_NAME, name)})
    nodes = [{key: value for key, value in node.items() if key != "metadata"} for node in graph["nodes"]]
    parts = {**graph, "nodes": nodes, **{kind: list(named.values()) for kind, named in values.items()}}
    for key, part in (*parts.items(), ("signature", module["signature"])):
        check_words(part, key)
    for call in module["module_call_graph"]:
        _check_call(call)
    for name, bounds in program.get("range_constraints", {}).items():
        expect_keys("a range", bounds, {"min_val", "max_val"})
        whole = all(v is None or type(v) is int for v in bounds.values())
        if not re.fullmatch(r"s\d{1,6}", name) or not whole:
            raise ValueError(f"{PROGRAM}: its graph has a range {name[:80]!r}")
    return dict(program)


def _check_call(call: Any) -> None:
    expect_keys("a call", call, {"fqn", "signature"}, {"fqn"})
    signature = call.get("signature") or {"in_spec": "[]", "out_spec": "[]"}
    expect_keys("a signature", signature, set("inputs outputs in_spec out_spec forward_arg_names".split()))
    specs = (signature["in_spec"], signature["out_spec"])
    names = signature.get("forward_arg_names") or []
    sound = (
        re.fullmatch(rf"(?:{DOTTED})?", str(call["fqn"]))
        and not signature.get("inputs")
        and not signature.get("outputs")
        and all(re.fullmatch(_SPEC, str(spec)) for spec in specs)
        and all(re.fullmatch(_NAME, str(name)) for name in names)
    )
    if not sound:
        raise ValueError(f"{PROGRAM}: its graph calls what no model calls, {str(call)[:80]!r}")


def check_words(part: Any, key: str) -> None:
    """Refuse keys that are not on the list, and texts that are no names, operators or plain expressions."""
    if isinstance(part, dict):
        expect_keys("the graph", part, _GRAPH_KEYS)
        for name, value in part.items():
            check_words(value, name)
    elif isinstance(part, list):
        for value in part:
            check_words(value, key)
    elif isinstance(part, str):
        if not re.fullmatch(_WORDS.get(key, r"(?!)"), part, re.ASCII):
            raise ValueError(f"{PROGRAM}: its graph has {key} {part[:80]!r}, which no model has")
    elif type(part) is int and abs(part) > 2**63:
        raise ValueError(f"{PROGRAM}: its graph has the number {str(part)[:40]}")
