"""The same readings as the peers' own generator, as the topic rule hands them over in our wire format.

Takes the place of `lambda_python/generators.py` there: `run` puts this folder first on Python's path.
"""

import base64
import json

T0 = 1_795_456_115_802


def sample(k):
    """The k-th reading's values; ts rises by a second with k, so that keys are unique."""
    return {
        "ts": T0 + k * 1000,
        "temperature": 20 + (k % 700) / 100,
        "humidity": 35 + (k % 1300) / 100,
        "pressure": 1000 + (k % 2500) / 100,
    }


def plain(template, i, n):
    event, reading = template
    readings = ",".join(reading % sample(k) for k in range(i * n, (i + 1) * n))
    return event % {"device": "pi-%d" % (i % 10), "readings": readings}


def tidings(_template, i, n):
    device, t0 = "pi-%d" % (i % 10), T0 + i * n * 1000
    rows = ["[%d,%d,%.2f,%.2f,%.2f]" % (s["ts"] - t0, k, s["temperature"], s["humidity"], s["pressure"])
            for k, s in ((k, sample(k)) for k in range(i * n, (i + 1) * n))]
    payload = ('{"v":1,"device":"%s","boot":"k3v9x2qd","t0":%d,"series":[{"sensor":"bme280","fields":[["temperature",'
               '"Cel"],["humidity","%%RH"],["pressure","hPa"]],"rows":[%s]}]}' % (device, t0, ",".join(rows)))
    return json.dumps({
        "payload": base64.b64encode(payload.encode()).decode(), "topic": "sensors/%s/readings" % device,
        "client_id": device, "principal": "3f0c5b1c7f2f4b4e9a9f8d0d3c1b2a49586776859403a2b1c0d9e8f7a6b5c4d3",
        "received_at": T0 + (i + 1) * n * 1000, "trace_id": "0f1c2a6e-5d55-4c1e-9c1f-6a5d7f3f8a01", "envelope": 1})


# name: (function, template file in events/, key of the response that counts what was written)
GENERATORS = {
    "plain": (plain, "plain.tmpl", "written"),
    "tidings": (tidings, "plain.tmpl", "accepted"),
}
