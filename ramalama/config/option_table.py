"""The table of options; to add one, add a row here and a field.

The parsers of the commands, the reading of settings, the checks of `ServeOptions` and the page
ramalama.conf(5) are made from the rows. The fields of `ServeOptions` and `Config`, and the keywords
of `ramalama.serve`, are written out for type checkers; a test compares them with the rows. An
option that only one command has is in the file of that command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config import parsers
from ramalama.config.api_name import SYNONYMS, ApiName
from ramalama.config.defaults import ALL_LAYERS, AUTOMATIC_LAYERS, DEFAULT_TEMPERATURE, LOOPBACK
from ramalama.config.option_spec import Group, OptionSpec
from ramalama.models.reference.scheme import Scheme
from ramalama.value_types import (
    AnyText,
    ByteSize,
    DirectoryName,
    FilePath,
    Flag,
    Instance,
    ListOf,
    Parsed,
    TableOf,
    Temperature,
    Text,
    TextOrPath,
    VariableName,
    Whole,
    Word,
)
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import EngineKind, PullPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = Instance(
    "ramalama.models.reference.reference",
    "ModelRef",
    "a ModelRef, as `ramalama.Models.resolve` makes of a text",
)

_MODEL = (
    OptionSpec(
        field="ctx_size",
        type=Whole(least=0),
        help="size of the context in tokens; 0 = the largest that the model supports",
        default_text="the model author's choice, else 2048",
        groups=(Group.MODEL,),
        flags=("-c", "--ctx-size", "--max-model-len"),
        metavar="TOKENS",
        key="ctx_size",
        example="8192",
    ),
    OptionSpec(
        field="ngl",
        type=Whole(least=AUTOMATIC_LAYERS, words={"auto": AUTOMATIC_LAYERS, "all": ALL_LAYERS}),
        help="layers on the GPU, for llama.cpp: a number, auto (-1) or all (999); 0 = CPU only",
        default=AUTOMATIC_LAYERS,
        default_text="auto",
        groups=(Group.MODEL,),
        flags=("--ngl",),
        metavar="LAYERS",
        key="ngl",
        example='"all"',
    ),
    OptionSpec(
        field="draft",
        type=Text(),
        given=MODEL,
        help="small model of the same family that guesses ahead, for speed; `none` disables it",
        default_text="the model author's choice",
        groups=(Group.MODEL,),
        flags=("--model-draft",),
        metavar="MODEL",
        key="model_draft",
        example='"smollm2:135m"',
    ),
    OptionSpec(
        field="temp",
        type=Temperature(),
        help="sampling temperature; the lower, the more predictable the answer",
        default_text=f"the model author's choice, else {DEFAULT_TEMPERATURE}",
        groups=(Group.MODEL,),
        flags=("--temp",),
        key="temp",
        example="0.2",
    ),
    OptionSpec(
        field="seed",
        type=Whole(least=-(2**63), most=2**64 - 1, name="a whole number of 64 bits"),
        help="seed of the sampler",
        default_text="random",
        groups=(Group.MODEL,),
        flags=("--seed",),
    ),
    OptionSpec(
        field="threads",
        type=Whole(least=1),
        help="number of CPU threads",
        default_text="half the cores that this process may use",
        groups=(Group.MODEL,),
        flags=("-t", "--threads"),
        metavar="N",
        key="threads",
        example="8",
    ),
    OptionSpec(
        field="parallel",
        type=Whole(least=1),
        help="number of requests answered at the same time",
        default_text="the server's own choice",
        groups=(Group.MODEL,),
    ),
    OptionSpec(
        field="force",
        type=Flag(),
        help="start a model even if it exceeds the memory of this host or is made for another task",
        default=False,
        groups=(Group.MODEL,),
        flags=("--force",),
        is_switch=True,
    ),
    OptionSpec(
        field="runtime",
        type=Word(RuntimeName),
        help="inference server",
        default=RuntimeName.LLAMA_CPP,
        groups=(Group.MODEL,),
        flags=("--runtime",),
        key="runtime",
        example='"vllm"',
    ),
    OptionSpec(
        field="api",
        type=Word(ApiName, SYNONYMS),
        help="API before the inference server: llama-stack (also ogx) adds responses, files and "
        "vector stores, in a container of its own",
        default=ApiName.NONE,
        groups=(Group.API,),
        flags=("--api",),
        key="api",
        example='"llama-stack"',
    ),
    OptionSpec(
        field="runtime_args",
        type=ListOf(AnyText(), "a list of words"),
        help="more arguments for the inference server, split as a shell does; may be repeated",
        default=(),
        groups=(Group.MODEL,),
        flags=("--runtime-args",),
        metavar='"ARGS"',
        each=parsers.parse_shell_words,
    ),
)

_CONTAINER = (
    OptionSpec(
        field="name",
        type=Text(),
        help="name of the container",
        default_text="random",
        groups=(Group.CONTAINER,),
        flags=("-n", "--name"),
    ),
    OptionSpec(
        field="network",
        type=Text(),
        help="network of the container; every mode other than none publishes a port",
        default="none",
        groups=(Group.CONTAINER,),
        flags=("--network", "--net"),
        metavar="MODE",
        key="network",
        example='"bridge"',
    ),
    OptionSpec(
        field="port",
        type=Whole(least=1, most=65535),
        help="port of this host to publish on, with --network",
        default_text="the engine chooses",
        groups=(Group.CONTAINER,),
        flags=("-p", "--port"),
    ),
    OptionSpec(
        field="devices",
        type=ListOf(
            Instance("ramalama_engines.spec", "Device", "a Device"),
            "a list of devices, as `ramalama_engines.parse_device` makes them",
        ),
        help="add a host device, or a CDI device by name; `none` maps no device; may be repeated",
        groups=(Group.CONTAINER,),
        flags=("--device",),
        metavar="SRC[:DST[:rwm]]",
        each=parsers.parse_device,
    ),
    OptionSpec(
        field="env",
        type=Parsed(
            parsers.parse_variables,
            "a list of texts",
            ListOf(Parsed(parsers.parse_variable, "NAME or NAME=VALUE"), "a list of NAME=VALUE"),
        ),
        given=TableOf(AnyText(), "a mapping of names to texts", VariableName()),
        help="set a variable in the container; without a value, to this host's if it is set; may "
        "be repeated",
        default=(),
        groups=(Group.CONTAINER,),
        flags=("--env",),
        metavar="K[=V]",
        each=parsers.parse_variable,
        key="env",
        page_help="variables of the container: a list of `NAME=VALUE`, or of `NAME` for this "
        "host's value; in the environment, separated by commas. **--env** adds to them",
        example='["HF_TOKEN", "GGML_CUDA_ENABLE_UNIFIED_MEMORY=1"]',
    ),
    OptionSpec(
        field="memory",
        type=ByteSize(),
        help="largest amount of memory that the container may use; `none` sets no limit",
        default_text="an estimate of what the model needs, with a reserve",
        groups=(Group.CONTAINER,),
        flags=("--memory",),
        metavar="SIZE",
        key="memory",
        page_help="largest amount of memory that the container may use, as **--memory** takes it: "
        "a number of bytes, or a text with a unit; `none` sets no limit",
        example='"16g"',
    ),
    OptionSpec(
        field="keep_groups",
        type=Flag(),
        help="keep your supplementary groups in the container; requires Podman with crun",
        default=False,
        groups=(Group.CONTAINER,),
        flags=("--keep-groups",),
        is_switch=True,
        key="keep_groups",
        example="true",
    ),
    OptionSpec(
        field="oci_runtime",
        type=Text(),
        help="OCI runtime of the container",
        default_text="the engine's own",
        groups=(Group.CONTAINER,),
        flags=("--oci-runtime",),
        metavar="NAME",
        key="oci_runtime",
        page_help="OCI runtime of the container, one that the engine knows",
        example='"crun"',
    ),
    OptionSpec(
        field="privileged",
        type=Flag(),
        help="turn off the isolation of the container, except for its network",
        default=False,
        groups=(Group.CONTAINER,),
        flags=("--privileged",),
        is_switch=True,
    ),
    OptionSpec(
        field="selinux",
        type=Flag(),
        help="keep SELinux separation on",
        default=True,
        groups=(Group.CONTAINER,),
        flags=("--selinux",),
        metavar="BOOL",
        key="selinux",
        example="false",
    ),
)

_IMAGE = (
    OptionSpec(
        field="image",
        type=Text(),
        help="OCI image of the inference server",
        default_text="the one for the accelerator, see `ramalama info`",
        groups=(Group.IMAGE,),
        flags=("--image",),
        key="image",
        example='"quay.io/ramalama/ramalama:0.25"',
    ),
    OptionSpec(
        field="stack_image",
        type=Text(),
        help="OCI image of the stack, for --api llama-stack",
        default_text="quay.io/ramalama/llama-stack, of this version",
        groups=(Group.API,),
        flags=("--stack-image",),
        metavar="IMAGE",
        key="stack_image",
        example='"quay.io/ramalama/llama-stack:0.25"',
    ),
    OptionSpec(
        field="pull_policy",
        type=Word(PullPolicy),
        help="when to pull an image",
        default=PullPolicy.MISSING,
        groups=(Group.IMAGE,),
        flags=("--pull",),
        key="pull",
        example='"newer"',
    ),
    OptionSpec(
        field="authfile",
        type=FilePath(),
        help="file with the credentials for registries",
        default_text="REGISTRY_AUTH_FILE, else the files of podman login and docker login",
        groups=(Group.IMAGE, Group.REGISTRY),
        flags=("--authfile",),
        metavar="PATH",
    ),
    OptionSpec(
        field="tls_verify",
        type=Flag(),
        help="require HTTPS with a valid certificate from registries",
        default=True,
        groups=(Group.IMAGE, Group.REGISTRY),
        flags=("--tls-verify",),
        metavar="BOOL",
        key="tls_verify",
        example="false",
    ),
)

_DOCUMENTS = (
    OptionSpec(
        field="rag",
        type=TextOrPath(),
        help="documents to search for each question: an index that `ramalama rag` has made, a file "
        "or directory of documents, or an OCI image with an index",
        groups=(Group.RAG,),
        flags=("--rag",),
        metavar="PATH",
    ),
)

_SERVING = (
    OptionSpec(
        field="embeddings",
        type=Flag(),
        help="serve an embedding model, which turns texts into vectors",
        default=False,
        groups=(Group.SERVING,),
        flags=("--embeddings",),
        is_switch=True,
    ),
    OptionSpec(
        field="host",
        type=AnyText(),
        help="address of this host to publish on",
        default=LOOPBACK,
        groups=(Group.SERVING,),
        flags=("--host",),
        metavar="ADDRESS",
    ),
    OptionSpec(
        field="api_key",
        type=AnyText(),
        help="key that clients must send; other users can read a command line, so prefer "
        "RAMALAMA_API_KEY or --api-key-file",
        default_text="a random one",
        groups=(Group.SERVING,),
        flags=("--api-key",),
        metavar="KEY",
        variables=("RAMALAMA_API_KEY",),
        is_secret=True,
    ),
)

_OTHER = (
    OptionSpec(
        field="engine",
        type=Word(EngineKind),
        help="container engine",
        default_text="the first that answers",
        groups=(Group.GLOBAL,),
        flags=("--engine",),
        key="engine",
        variables=("RAMALAMA_CONTAINER_ENGINE",),
        example='"podman"',
    ),
    OptionSpec(
        field="engine_url",
        type=Parsed(parsers.parse_engine_url, "the address of an engine"),
        help="address of the container engine: unix://PATH, ssh://[USER@]HOST[:PORT][/PATH] or "
        "tcp://HOST[:PORT]",
        default_text="what the settings of podman and docker name, else the known sockets",
        groups=(Group.GLOBAL,),
        flags=("--engine-url",),
        metavar="URL",
        key="engine_url",
        page_help="address of the container engine: `unix://PATH`, "
        "`ssh://[USER@]HOST[:PORT][/PATH]` or `tcp://HOST[:PORT]`. It must not contain a password",
        example='"ssh://me@gpu.example.org/run/user/1000/podman/podman.sock"',
        is_secret=True,  # a password that must not be in it
    ),
    OptionSpec(
        field="connection",
        type=Text(),
        help="connection of podman that leads to the engine, see podman-system-connection(1)",
        default_text="as for --engine-url",
        groups=(Group.GLOBAL,),
        flags=("--connection",),
        metavar="CONNECTION",
        key="connection",
        page_help="name of the connection of podman that leads to the engine, see "
        "podman-system-connection(1). It replaces an `engine_url` of an earlier file",
        example='"gpu"',
    ),
    OptionSpec(
        field="store",
        type=DirectoryName(),
        help="directory of the models",
        default_text="/var/lib/ramalama for root, $XDG_DATA_HOME/ramalama for other users",
        groups=(Group.GLOBAL,),
        flags=("--store",),
        metavar="DIR",
        key="store",
        example='"~/models"',
    ),
    OptionSpec(
        field="transport",
        type=Parsed(
            parsers.parse_scheme, "one of ollama, hf, huggingface, ms, modelscope, oci, docker"
        ),
        help="transport of model names without one",
        default=Scheme.OLLAMA,
        key="transport",
        variables=("RAMALAMA_TRANSPORT", "RAMALAMA_TRANSPORTS"),
        example='"huggingface"',
    ),
    OptionSpec(
        field="images",
        type=Parsed(parsers.parse_table, "a table of texts", TableOf(Text(), "a table of texts")),
        help="image for each accelerator",
        default_text="the images that ramalama-run(1) lists",
        key="images",
        page_help="image for each accelerator, by the names that ramalama-run(1) has under IMAGES; "
        "`image` wins over all of them. In the environment, a JSON object",
        example='{ CUDA_VISIBLE_DEVICES = "quay.io/me/cuda:1" }',
    ),
    OptionSpec(
        field="mcp",
        type=Parsed(
            parsers.parse_tool_servers,
            "a table of MCP servers",
            TableOf(
                Instance("ramalama_chat.tools.server_address", "ToolServerAddress", "an address"),
                "a table of addresses of MCP servers",
            ),
        ),
        help="MCP servers by name",
        default_text="none",
        key="mcp",
        page_help="MCP servers, by the names that **--mcp** may use. Each is a table with `url` "
        "and `headers`, or with `command` and `env`; see TOOL SERVERS in ramalama-run(1). The "
        "servers of all files count; where two have the same name, the later file wins. In the "
        "environment, a JSON object",
        example='{ notes = { command = "notes-server --folder /home/me/notes" } }',
        is_secret=True,
    ),
    OptionSpec(
        field="embedding_model",
        type=Text(),
        help="embedding model that finds passages of documents by their meaning; `none` = by their "
        "words only",
        default_text="nomic-embed-text",
        groups=(Group.RETRIEVAL,),
        flags=("--embedding-model",),
        metavar="MODEL",
        key="embedding_model",
        page_help="embedding model that finds passages of documents by their meaning; `none` finds "
        "them by their words only. Without this setting, nomic-embed-text of Ollama is used; where "
        "it cannot be had, a notice says that only words are searched",
        example='"embeddinggemma"',
    ),
    OptionSpec(
        field="ocr_model",
        type=Text(),
        help="model that reads scanned pages and pictures of documents",
        default_text="none",
        flags=("--ocr-model",),
        metavar="MODEL",
        key="ocr_model",
        page_help="model that sees, with which `ramalama rag` reads the scanned pages and the "
        "pictures of a new index; `none` leaves them out. It is not used for documents that "
        "`--rag` names",
        example='"qwen2.5vl:3b"',
    ),
    OptionSpec(
        field="color",
        type=Word(("auto", "always", "never")),
        help="when to color answers and style their Markdown",
        default="auto",
        groups=(Group.CHAT,),
        flags=("--color", "--colour"),
        key="color",
        page_help="when to color answers and style their Markdown; `auto` does so on a terminal, "
        "unless `NO_COLOR` is set",
        example='"never"',
    ),
    OptionSpec(
        field="prefix",
        type=AnyText(),
        help="prompt of the chat",
        default_text="🦭 >, or > where the terminal cannot show it",
        groups=(Group.CHAT,),
        flags=("--prefix",),
        key="prefix",
        example='"you> "',
    ),
)

SERVER_OPTIONS = (*_MODEL, *_CONTAINER, *_IMAGE, *_DOCUMENTS, *_SERVING)
"""The fields of `ServeOptions`, other than the model."""

OPTIONS: Mapping[str, OptionSpec] = {spec.field: spec for spec in (*SERVER_OPTIONS, *_OTHER)}
"""All options, by field."""

SETTINGS: Mapping[str, OptionSpec] = {spec.key: spec for spec in OPTIONS.values() if spec.key}
"""What ramalama.conf and the environment can set, by key."""
