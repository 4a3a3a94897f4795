package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const folder = "../../examples/kubernetes"

// load returns the manifests of the examples, after a change to one of them.
func load(t *testing.T, file, old, with string) (set, error) {
	t.Helper()
	names, err := filepath.Glob(folder + "/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("manifests of %s: %d, %v", folder, len(names), err)
	}
	var all set
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if filepath.Base(name) == file {
			if !strings.Contains(text, old) {
				t.Fatalf("%s does not hold %q: the test would check nothing", file, old)
			}
			text = strings.Replace(text, old, with, 1)
		}
		found, err := decode(filepath.Base(name), text)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// TestEachMistakeIsFound breaks the manifests in one place each.
func TestEachMistakeIsFound(t *testing.T) {
	for _, m := range []struct{ name, file, old, with, want string }{
		{"a field nobody knows", "receiver.yaml", "livenessProbe:", "livelinessProbe:", `unknown field "spec.template.spec.containers[0].livelinessProbe"`},
		{"a field in the wrong place", "receiver.yaml", "maxSurge: 1", "grace: 1", `unknown field "spec.strategy.rollingUpdate.grace"`},
		{"a field twice", "redis.yaml", "clusterIP: None", "clusterIP: None\n  clusterIP: None", "already set in map"},
		{"text for a number", "receiver.yaml", "replicas: 2", `replicas: "2"`, "cannot unmarshal string"},
		{"a number for text", "worker.yaml", `prometheus.io/port: "8080"`, `prometheus.io/port: 8080`, "cannot unmarshal number"},
		{"a quantity that is none", "receiver.yaml", "cpu: 100m", "cpu: some", "quantities must match"},
		{"a kind that is not there", "worker.yaml", "kind: PodDisruptionBudget", "kind: PodBudget", `no kind "PodBudget"`},
		{"a version that is gone", "worker.yaml", "apiVersion: policy/v1\n", "apiVersion: policy/v1beta9\n", "policy/v1beta9"},
		{"no YAML", "config.yaml", "type: Opaque", "type: Opaque\n\t- x", "document 1"},
		{"a name that is none", "worker.yaml", "name: eds-worker", "name: eds_worker", "RFC 1123"},

		{"a selector of others", "receiver.yaml", "      labels: *labels\n      annotations", "      labels: {app: eds}\n      annotations", "does not select its own pods"},
		{"a budget of nobody", "receiver.yaml", "component: receiver\n", "component: receiver \n", ""},
		{"a budget of others", "worker.yaml", "    matchLabels:\n      app.kubernetes.io/name: eds", "    matchLabels:\n      app.kubernetes.io/name: edz", "selects no pod"},
		{"an autoscaler of nobody", "worker.yaml", "    kind: Deployment\n    name: eds-worker", "    kind: Deployment\n    name: worker", "which is not there"},
		{"two masters of the number", "worker.yaml", "spec:\n  # No replicas", "spec:\n  replicas: 4\n  # No replicas", "an autoscaler sets it too"},
		{"a key that is not there", "config.yaml", "  api-key:", "  apikey:", `no key "api-key" in a Secret "eds"`},
		{"a setting that is not there", "config.yaml", "  queue:", "  queues:", `no key "queue" in a ConfigMap "eds"`},
		{"a variable before its time", "receiver.yaml", "- name: EDS_REDIS_PASSWORD", "- name: EDS_REDIS_PASS", "$(EDS_REDIS_PASSWORD) is no variable"},
		{"a volume that is not there", "redis.yaml", "- name: data\n              mountPath", "- name: dat\n              mountPath", "which is no volume"},
		{"a port that is not there", "redis.yaml", "targetPort: redis", "targetPort: rediss", `no pod of it has a port "rediss"`},

		{"a secret in an argument", "receiver.yaml", "- --standby", "- --standby\n            - --to=redis://:$(EDS_REDIS_PASSWORD)@redis/orders", "holds a secret"},
		{"a key in an argument", "receiver.yaml", "- --standby", "- --standby\n            - --api-key=abc", `argument "--api-key"`},
		{"a password in an argument", "worker.yaml", "- --group=crm", "- --group=crm\n            - --dedupe=redis://:abc@redis/0", "URL with credentials"},
		{"a password in a variable", "receiver.yaml", "redis://:$(EDS_REDIS_PASSWORD)@$(REDIS)/0", "redis://:abc@redis/0", "in the clear"},
		{"a real key", "config.yaml", "api-key: change-me", "api-key: eds_live_1", "must be \"change-me\""},
		{"root", "receiver.yaml", "runAsUser: 65532", "runAsUser: 0", "not root"},
		{"a file system to write to", "worker.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "read-only"},
		{"a capability", "worker.yaml", "drop: [ALL]", "drop: [NET_RAW]", "drop all"},
		{"the image of the day", "worker.yaml", "eds:0.1.0", "eds:latest", "tag that stays"},
		{"no bound for memory", "receiver.yaml", "limits: {memory: 256Mi}", "limits: {}", "limit for its memory"},
		{"no probe", "worker.yaml", "          livenessProbe:\n            httpGet: {path: /livez, port: health}\n            periodSeconds: 10\n            failureThreshold: 3\n", "", "livenessProbe: is missing"},
		{"a probe of the other", "receiver.yaml", "path: /livez", "path: /readyz", "must ask /livez"},
		{"a probe of another port", "receiver.yaml", "containerPort: 8080", "containerPort: 8081", "--health-addr is :8080"},
		{"health for itself alone", "receiver.yaml", "--health-addr=:8080", "--health-addr=127.0.0.1:8080", "the kubelet asks the pod's address"},
		{"no health", "receiver.yaml", "            - --health-addr=:8080\n", "", "has no --health-addr"},
		{"SIGKILL before the end", "receiver.yaml", "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 28", "must be at least"},
		{"Kubernetes' 30 s", "worker.yaml", "      terminationGracePeriodSeconds: 60", "", "must be at least"},
		{"two that fight", "receiver.yaml", "            - --standby\n", "", "without --standby"},
		{"nobody stands by", "receiver.yaml", "replicas: 2", "replicas: 1", "one replica"},
		{"an update takes all", "receiver.yaml", "maxUnavailable: 0", "maxUnavailable: 2", "all 2 replicas at once"},
		{"a drain takes all", "receiver.yaml", "spec:\n  maxUnavailable: 1", "spec:\n  maxUnavailable: 100%", "or take all"},
		{"a drain never ends", "worker.yaml", "spec:\n  maxUnavailable: 1", "spec:\n  maxUnavailable: 0", "would never end"},
	} {
		t.Run(m.name, func(t *testing.T) {
			all, err := load(t, m.file, m.old, m.with)
			if err == nil {
				err = all.together()
			}
			if err == nil {
				err = all.rules()
			}
			switch {
			case m.want == "" && err != nil:
				t.Fatalf("complains of what is right: %v", err)
			case m.want != "" && err == nil:
				t.Fatalf("no complaint, want one with %q", m.want)
			case m.want != "" && !strings.Contains(err.Error(), m.want):
				t.Fatalf("complaint %q, want one with %q", err, m.want)
			}
		})
	}
}

// script writes a program for run.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "eds")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestProgramThatRefusesItsArguments(t *testing.T) {
	const program = `
case "$*" in
*--help) echo "EDS_API_KEY EDS_URL EDS_QUEUE EDS_TO EDS_LEASE EDS_FROM EDS_DEAD_LETTER" ;;
*) echo "eds: unknown flag --standby" >&2; exit 2 ;;
esac
`
	_, runs, err := check(t.Context(), script(t, program), folder)
	if err == nil || !strings.Contains(err.Error(), "unknown flag --standby") || !strings.Contains(err.Error(), "exit status 2") {
		t.Errorf("error %v, want what the program said, and its exit code", err)
	}
	if runs != 2 {
		t.Errorf("%d containers ran, want a receiver and a worker", runs)
	}
}

func TestVariableThatTheProgramPassesOver(t *testing.T) {
	_, _, err := check(t.Context(), script(t, "echo EDS_API_KEY EDS_URL EDS_QUEUE EDS_TO EDS_FROM EDS_DEAD_LETTERS\n"), folder)
	for _, name := range []string{"EDS_LEASE", "EDS_DEAD_LETTER"} {
		if err == nil || !strings.Contains(err.Error(), name+" is no variable") {
			t.Errorf("error %v, want it to name %s", err, name)
		}
	}
	if err != nil && strings.Contains(err.Error(), "EDS_TO is no variable") {
		t.Errorf("error %v complains of what the help names", err)
	}
}
