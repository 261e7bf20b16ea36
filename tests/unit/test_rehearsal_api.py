import pytest

from enoslib_nxc.errors import ConfigError
from enoslib_nxc.rehearsal import site as sites
from enoslib_nxc.rehearsal.replies import RefusalError
from tests.unit.rehearsal_lab import START, Lab, N

OURS = "(Grid'5000 would let this pass; the rehearsal does not)"
JOB = "The job you are trying to submit is not valid: "
FORBIDDEN = "You are not authorized to access this resource"
DATE = (
    "Syntax error in reservation start date, should at least match the format: "
    "'YYYY-MM-DD hh:mm:ss'. Please see documentation for available date syntaxes."
)
CHANGE = "The job walltime change you are trying to submit is not valid: "
SLEEP = {"command": "sleep 1d"}


def _oar(message, path="jobs.json", title="Bad query"):
    return (
        400,
        f"Request to /stable/sites/lille/internal/oarapi/{path} failed with status 400: "
        f'{{\n   "code": 400,\n   "message": "{message}",\n   "title": "{title}"\n}}\n',
    )


def test_the_reference_data_is_that_of_lille():
    lab = Lab()
    status, site = lab.call("GET", "/sites/lille")
    assert status == 200
    # reference-repository, sites/lille/lille.json
    assert site["g5ksubnet"] == {"gateway": "10.139.255.254", "network": "10.136.0.0/14"}
    assert site["ipv6"] == {
        "prefix": "2001:660:4406:200::/56",
        "site_global_kavlan": 12,
        "site_index": 2,
    }
    assert site["kavlans"] == {
        "1": {"gateway": "192.168.207.254", "network": "192.168.192.0/20"},
        "2": {"gateway": "192.168.223.254", "network": "192.168.208.0/20"},
        "3": {"gateway": "192.168.239.254", "network": "192.168.224.0/20"},
        "4": {"gateway": "10.8.63.254", "network": "10.8.0.0/18"},
        "5": {"gateway": "10.8.127.254", "network": "10.8.64.0/18"},
        "6": {"gateway": "10.8.191.254", "network": "10.8.128.0/18"},
        "7": {"gateway": "10.8.255.254", "network": "10.8.192.0/18"},
        "8": {"gateway": "10.9.63.254", "network": "10.9.0.0/18"},
        "9": {"gateway": "10.9.127.254", "network": "10.9.64.0/18"},
        "12": {"gateway": "10.11.255.254", "network": "10.11.192.0/18"},
        "default": {"gateway": "172.16.47.254", "network": "172.16.32.0/20"},
    }
    assert site["frontend_ip"] == "172.16.47.106"
    dns = lab.call("GET", "/sites/lille/servers/dns")[1]
    assert dns["network_adapters"] == {"default": {"ip": "172.16.47.101"}}


# reference-repository, sites/*/*.json: g5ksubnet, kavlans 4 and the global one, default
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grenoble", "10.132.0.0/14 10.4.0.0/18 11 10.7.192.0/18 172.16.16.0/20"),
        ("luxembourg", "10.172.0.0/14 10.40.0.0/18 20 10.43.192.0/18 172.16.176.0/20"),
        ("lyon", "10.140.0.0/14 10.12.0.0/18 13 10.15.192.0/18 172.16.48.0/20"),
        ("nancy", "10.144.0.0/14 10.16.0.0/18 14 10.19.192.0/18 172.16.64.0/20"),
        ("nantes", "10.176.0.0/14 10.44.0.0/18 21 10.47.192.0/18 172.16.192.0/20"),
        ("rennes", "10.156.0.0/14 10.24.0.0/18 16 10.27.192.0/18 172.16.96.0/20"),
        ("sophia", "10.164.0.0/14 10.32.0.0/18 18 10.35.192.0/18 172.16.128.0/20"),
        ("strasbourg", "10.168.0.0/14 10.36.0.0/18 19 10.39.192.0/18 172.16.160.0/20"),
        ("toulouse", "10.160.0.0/14 10.28.0.0/18 17 10.31.192.0/18 172.16.112.0/20"),
    ],
)
def test_the_networks_of_each_site(name, expected):
    site = sites.build(sites.read_site({"site": name, "cluster": "x", "nodes": 1}))
    wide = next(v for v in site.vlans.values() if v.kind == "kavlan-global")
    networks = site.subnets, site.vlans["4"].network, wide.uid, wide.network
    assert " ".join(map(str, (*networks, site.vlans["default"].network))) == expected


def test_nodes_have_addresses_of_their_own():
    clusters = [{"cluster": c, "nodes": 200, "nics": 4} for c in ("a", "b", "c", "d")]
    site = sites.build(sites.read_site({"site": "lille", "clusters": clusters}))
    for vlan in site.vlans:
        seen = [site.address(n, nic, vlan) for n in site.nodes for nic in range(4)]
        assert len(set(seen)) == 3200
        assert site.vlans[vlan].gateway not in seen


@pytest.mark.parametrize(
    ("description", "line"),
    [
        ({"cluster": "x", "nodes": 1}, "site: Field required"),
        (
            {"site": "paris", "cluster": "x", "nodes": 1},
            "site: Value error, paris is not one of",
        ),
        (
            {"site": "lille", "cluster": "x", "nodes": 0},
            "clusters.0.nodes: Input should be greater",
        ),
        (
            {"site": "lille", "cluster": "X-1", "nodes": 1},
            "clusters.0.cluster: String should match",
        ),
        (
            {"site": "lille", "cluster": "x", "nodes": 1, "disks": 2},
            "clusters.0.disks: Extra inputs",
        ),
    ],
)
def test_descriptions_of_sites_are_refused(description, line):
    with pytest.raises(
        ConfigError, match="the description of the rehearsed site is wrong"
    ) as e:
        sites.read_site(description)
    assert e.value.details.startswith(line)


def test_lists_and_nodes():
    lab = Lab(nodes=2)
    status, nodes = lab.call("GET", "/sites/lille/clusters/chiclet/nodes")
    assert (status, nodes["total"], nodes["offset"]) == (200, 2, 0)
    assert set(nodes) == {"total", "offset", "items", "links"}
    node = lab.call("GET", "/sites/lille/clusters/chiclet/nodes/chiclet-2")[1]
    assert {k: v for k, v in nodes["items"][1].items() if k != "links"} == {
        k: v for k, v in node.items() if k != "links"
    }
    eth0, eth1, bmc = node["network_adapters"]
    keys = "device", "ip", "mountable", "mounted", "management", "network_address"
    assert [eth0[k] for k in keys] == ["eth0", "172.16.32.2", True, True, False, N(2)]
    other = "chiclet-2-eth1.lille.grid5000.fr"
    assert [eth1[k] for k in keys] == ["eth1", "172.16.33.2", True, False, False, other]
    assert (bmc["mountable"], bmc["management"]) == (False, True)
    assert node["kavlan"]["eth1"]["kavlan-4"] == "10.8.1.2"


def test_production_clusters_are_listed_on_demand():
    lab = Lab(queues=["production"])
    assert lab.call("GET", "/sites/lille/clusters")[1]["items"] == []
    assert lab.call("GET", "/sites/lille/clusters?queues=all")[1]["total"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/sites/paris", None, 404, "Cannot find resource /sites/paris"),
        (
            "GET",
            "/sites/lille/clusters/dahu",
            None,
            404,
            "Cannot find resource /sites/lille/clusters/dahu",
        ),
        (
            "GET",
            "/sites/lille/clusters/dahu/status",
            None,
            404,
            "Cannot find resource /sites/lille/clusters/dahu/status",
        ),
        (
            "GET",
            "/sites/lille/clusters/chiclet/nodes/chiclet-9",
            None,
            404,
            "Cannot find resource /sites/lille/clusters/chiclet/nodes/chiclet-9",
        ),
        (
            "GET",
            "/sites/lille/servers/oar",
            None,
            404,
            "Cannot find resource /sites/lille/servers/oar",
        ),
        ("GET", "/nothing", None, 404, "Not Found"),
        ("PUT", "/sites/lille/jobs", {}, 405, "Method Not Allowed"),
        ("DELETE", "/sites", None, 405, "Method Not Allowed"),
        ("GET", "/sites/lille/jobs/7", None, 404, "Couldn't find OAR::Job with 'job_id'=7"),
        ("GET", "/sites/lille/jobs/x", None, 404, "Couldn't find OAR::Job with 'job_id'=x"),
        ("DELETE", "/sites/lille/jobs/7", None, 404, "Couldn't find OAR::Job with 'job_id'=7"),
        ("DELETE", "/sites/lille/jobs/2", None, 403, FORBIDDEN),
        ("GET", "/sites/lille/jobs/7/walltime", None, 404, "Job id '7' cannot be found."),
        (
            "POST",
            "/sites/lille/jobs/7/walltime",
            {"walltime": "1"},
            404,
            "Job id '7' cannot be found.",
        ),
        (
            "POST",
            "/sites/lille/jobs/2/walltime",
            {"walltime": "1"},
            403,
            "Job 2 does not belong to you",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {"walltime": "1"},
            403,
            "Job 1 is not running",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {},
            400,
            CHANGE + "you must give a new walltime",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {"walltime": ""},
            400,
            CHANGE + "you must give a new walltime",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {"walltime": 3},
            400,
            CHANGE + "new walltime must be a String",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {"walltime": "1", "timeout": "1"},
            400,
            CHANGE + "timeout must be an Integer",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {"walltime": "1", "whole": 1},
            400,
            CHANGE + "delay_next_jobs, force, whole must be a Boolean",
        ),
        (
            "POST",
            "/sites/lille/jobs/1/walltime",
            {"walltime": "1", "by": 1},
            400,
            CHANGE + f"unknown field `by` {OURS}",
        ),
        (
            "POST",
            "/sites/lille/jobs",
            {},
            400,
            JOB + "you must give a :command to execute on launch",
        ),
        (
            "POST",
            "/sites/lille/jobs",
            {"command": " "},
            400,
            JOB + "you must give a :command to execute on launch",
        ),
        ("POST", "/sites/lille/jobs", {**SLEEP, "reservation": "tomorrow"}, 400, JOB + DATE),
        (
            "POST",
            "/sites/lille/jobs",
            {**SLEEP, "reservation": 1234},
            400,
            JOB + "`reservation` should be a String.",
        ),
        (
            "POST",
            "/sites/lille/jobs",
            {**SLEEP, "walltime": "1"},
            400,
            JOB + f"unknown field `walltime` {OURS}",
        ),
        (
            "POST",
            "/sites/lille/jobs",
            {**SLEEP, "types": "deploy"},
            400,
            JOB + f"types: Input should be a valid list {OURS}",
        ),
        ("POST", "/sites/lille/jobs", b"{", 400, "Bad Request"),
        ("POST", "/sites/lille/jobs", [], 400, "Bad Request"),
        ("POST", "/sites/lille/jobs", b"[" * 99999, 400, "Bad Request"),
        (
            "POST",
            "/sites/lille/jobs",
            {**SLEEP, "resources": "nodes=9"},
            *_oar(
                "# There are not enough resources for your request\\n"
                "# Error: please verify your job submission syntax.\\n"
            ),
        ),
        (
            "POST",
            "/sites/lille/jobs",
            {**SLEEP, "types": ["x"]},
            *_oar("[ADMISSION RULE] Error: unknown job type: x\\n"),
        ),
        (
            "GET",
            "/sites/lille/deployments/D-1",
            None,
            404,
            "Couldn't find Grid5000::Deployment with ID=D-1",
        ),
        ("GET", "/sites/lille/vlans/99", None, 404, "Vlan 99 does not exist"),
        ("GET", "/sites/lille/vlans/99/nodes", None, 404, "Vlan 99 does not exist"),
        ("GET", "/sites/lille/vlans/nodes/dahu-1", None, 404, "Unknown node 'dahu-1'."),
        ("POST", "/sites/lille/vlans/99/nodes", [N(1)], 404, "Vlan 99 does not exist"),
        ("POST", "/sites/lille/vlans/4/nodes", [], 422, "Missing node list"),
        ("POST", "/sites/lille/vlans/4/nodes", {"nodes": [N(1)]}, 422, "Missing node list"),
        (
            "POST",
            "/sites/lille/vlans/4/nodes",
            [N(1)],
            403,
            "Not enough privileges on Kavlan resources",
        ),
    ],
)
def test_requests_are_refused(method, path, body, status, text):
    lab = Lab()
    lab.submit("nodes=1")
    lab.submit("nodes=1", user="bob")
    assert lab.call(method, path, body) == (status, text)


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !", "Basic YWxpY2U=", "Basic YWxpY2U6YmFk", "Bearer YWxpY2U6c2VjcmV0",
     "Basic bm9ib2R5Og=="],
)  # fmt: skip
def test_strangers_are_not_let_in(authorization):
    with pytest.raises(RefusalError) as refusal:
        Lab().api.answer("GET", "/stable/sites", {"authorization": authorization})
    assert (refusal.value.status, refusal.value.text) == (401, "Authorization Required")


def test_only_json_is_taken():
    for path in ("jobs", "deployments", "jobs/1/walltime", "vlans/4/nodes"):
        lab = Lab()
        lab.submit()
        answer = lab.call("POST", f"/sites/lille/{path}", b"a=b", kind="text/plain")
        assert answer == (415, "Content-Type 'text/plain' is not supported")


def test_a_job_from_submission_to_end():
    lab = Lab()
    body = {**SLEEP, "name": "x", "resources": "nodes=2+slash_22=1,walltime=1", "types": []}
    status, job = lab.call("POST", "/sites/lille/jobs", body)
    assert (status, job["uid"], job["state"], job["started_at"]) == (201, 1, "waiting", 0)
    assert (job["assigned_nodes"], job["resources_by_type"]) == ([], {})
    assert "scheduled_at" not in job
    lab.wait(2)
    job = lab.call("GET", "/sites/lille/jobs/1")[1]
    assert (job["state"], job["walltime"], job["user"]) == ("running", 3600, "alice")
    assert job["assigned_nodes"] == [N(1), N(2)]
    assert job["resources_by_type"] == {
        "cores": [f"{N(1)}/0", f"{N(1)}/1", f"{N(2)}/0", f"{N(2)}/1"],
        "subnets": ["10.136.0.0/22"],
    }
    assert lab.call("DELETE", "/sites/lille/jobs/1") == (202, None)
    said = (
        "Oardel command exited with status 1536: Deleting the job = 1 ...ERROR.\\n"
        "Cannot frag 1 ; This job was already killed."
        "\\n. (Command was: oardodo oardel 1)."
    )
    assert lab.call("DELETE", "/sites/lille/jobs/1") == _oar(
        said, "jobs/1.json", "Oardel error"
    )
    lab.wait(2)
    job = lab.call("GET", "/sites/lille/jobs/1")[1]
    assert (job["state"], job["assigned_nodes"]) == ("error", [N(1), N(2)])
    assert job["stopped_at"] == int(START + 2.6)


def test_jobs_are_filtered_and_paged():
    lab = Lab()
    lab.submit("nodes=1", name="a")
    lab.wait(0.6)
    assert lab.state(1) == "toLaunch"

    def found(query):
        answer = lab.call("GET", f"/sites/lille/jobs?{query}")[1]
        return [job["uid"] for job in answer["items"]]

    # OAR's toLaunch is out of reach for the filter, and so for EnOSlib's reload
    assert found("state=waiting,launching,running") == []
    assert found("state=tolaunch") == []
    lab.wait(2)
    lab.submit("nodes=4", name="a", user="bob")
    lab.submit("nodes=4", name="b", project="p")
    assert found("") == [3, 2, 1]
    assert found("state=waiting,launching,running&name=a&user=alice") == [1]
    assert found("name=a&state=waiting") == [2]
    assert found("project=p") == [3]
    assert found("queue=besteffort") == []
    assert found("limit=1&offset=1") == [2]
    assert found("offset=9") == []
    answer = lab.call("GET", "/sites/lille/jobs?limit=1")[1]
    assert (answer["total"], "assigned_nodes" in answer["items"][0]) == (3, False)
    assert "assigned_nodes" in lab.call("GET", "/sites/lille/jobs?resources=yes")[1]["items"][0]


def test_the_status_of_a_cluster():
    lab = Lab()
    lab.submit("nodes=1,walltime=1")
    lab.submit("nodes=4,walltime=1")
    lab.scheduler.set_host_state(N(4), "Suspected")
    lab.wait(2)
    nodes = lab.call("GET", "/sites/lille/clusters/chiclet/status")[1]["nodes"]
    assert [(n["hard"], n["soft"]) for n in nodes.values()] == [
        ("alive", "busy"),
        ("alive", "free"),
        ("alive", "free"),
        ("suspected", "free"),
    ]
    (mine,) = nodes[N(1)]["reservations"]
    assert (mine["uid"], mine["queue"], mine["walltime"]) == (1, "default", 3600)
    assert mine["started_at"] == int(START + 0.8)


def test_kavlans():
    lab = Lab()
    lab.deploy_job(2, "+{type='kavlan'}/vlan=1")
    other = "chiclet-1-eth1.lille.grid5000.fr"
    assert lab.call("GET", "/sites/lille/vlans/4")[1]["type"] == "kavlan"
    kinds = {v["uid"]: v.get("type") for v in lab.call("GET", "/sites/lille/vlans")[1]["items"]}
    assert (kinds["1"], kinds["12"], kinds["DEFAULT"]) == (
        "kavlan-local",
        "kavlan-global",
        None,
    )
    moved = {"status": "success", "message": "Successfully added to vlan"}
    unknown = {"status": "failure", "message": "Unknown node"}
    again = {"status": "unchanged", "message": "Node already in vlan"}
    path = "/sites/lille/vlans/4/nodes"
    assert lab.call("POST", path, [other, "x"]) == (200, {other: moved, "x": unknown})
    assert lab.call("POST", path, [other]) == (200, {other: again})
    assert lab.testbed.cards == {(N(1), 1): "4"}
    assert lab.call("GET", path)[1]["items"][0]["uid"] == other
    assert lab.call("GET", f"/sites/lille/vlans/nodes/{other}")[1]["vlan"] == "4"
    no = (403, "Not enough privileges on Kavlan resources")
    assert lab.call("POST", path, [N(3)]) == no
    assert lab.call("POST", path, [other], user="bob") == no
    assert lab.call("POST", "/sites/lille/vlans/5/nodes", [other]) == no
    lab.call("DELETE", "/sites/lille/jobs/1")
    lab.wait(2)
    assert lab.testbed.cards == {(N(1), 1): "DEFAULT"}
    assert lab.call("POST", "/sites/lille/vlans/DEFAULT/nodes", [other]) == no


def test_a_walltime_change_through_the_api():
    lab = Lab()
    lab.submit("nodes=1,walltime=1")
    path = "/sites/lille/jobs/1/walltime"
    assert lab.call("GET", path)[1].keys() == {
        *("possible", "force", "delay_next_jobs", "uid", "links")
    }
    lab.wait(2)
    answer = lab.call("POST", path, {"walltime": "+0:30", "whole": "yes"})
    said = "Walltime change request accepted for job 1, it will be handled shortly"
    assert answer == (202, said)
    seen = lab.call("GET", path)[1]
    assert (seen["pending"], seen["granted"], seen["whole"]) == ("+0:30:0", "0:0:0", "YES")
    lab.wait(1)
    seen = lab.call("GET", path, user="bob")[1]
    assert (seen["walltime"], seen["possible"]) == ("1:30:0", "UNLIMITED")
    assert (seen["pending"], seen["granted_with_whole"]) == ("0:0:0", "+0:30:0")
