package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// placeholder is the only secret that a manifest in a repository may hold.
const placeholder = "change-me"

// afterDrain is what a process of eds may take after --drain-timeout when Redis
// and the exporters hang: a second for interrupted handlers, five to close the
// transport, the stream and the dead letters each, three for the exporters, one
// for the last answers to probes.
const afterDrain = 20 * time.Second

// rules complains about what the API server takes and we do not want.
func (s set) rules() error {
	var errs []error
	for _, o := range s {
		if d, ok := o.data.(*corev1.Secret); ok {
			for key, value := range d.StringData {
				if value != placeholder {
					errs = append(errs, fmt.Errorf("%s: %s must be %q here", o.at, key, placeholder))
				}
			}
			if len(d.Data) > 0 {
				errs = append(errs, fmt.Errorf("%s: data may hide anything in base64; use stringData", o.at))
			}
		}
	}
	for _, w := range s.workloads() {
		for _, c := range w.pod.Spec.Containers {
			for _, err := range []error{confined(w, c), discreet(c)} {
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: container %s: %w", w.at, c.Name, err))
				}
			}
		}
		ours := w.ofEDS()
		for _, c := range ours {
			for _, err := range []error{probed(c), drained(w, c), standing(w, c)} {
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: container %s: %w", w.at, c.Name, err))
				}
			}
		}
		if len(ours) > 0 {
			errs = append(errs, s.oneStays(w))
		}
	}
	return errors.Join(errs...)
}

// confined is about what a container may do.
func confined(w workload, c corev1.Container) error {
	var errs []error
	must := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	pod, own := w.pod.Spec.SecurityContext, c.SecurityContext
	must(pod != nil && is(pod.RunAsNonRoot, true) && pod.RunAsUser != nil && *pod.RunAsUser > 0, "must run as a user that is not root, by number")
	must(pod != nil && pod.SeccompProfile != nil && pod.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "must have the seccompProfile RuntimeDefault")
	must(own != nil && is(own.AllowPrivilegeEscalation, false), "must not allow privilege escalation")
	must(own != nil && is(own.ReadOnlyRootFilesystem, true), "must have a read-only root file system")
	must(own != nil && own.Capabilities != nil && len(own.Capabilities.Add) == 0 &&
		len(own.Capabilities.Drop) == 1 && own.Capabilities.Drop[0] == "ALL", "must drop all capabilities")
	must(is(w.pod.Spec.AutomountServiceAccountToken, false), "must not get a token for the API server")
	must(!c.Resources.Limits.Memory().IsZero(), "must have a limit for its memory")
	_, tag, _ := strings.Cut(c.Image, ":")
	must(tag != "" && tag != "latest", "its image must have a tag that stays")
	return errors.Join(errs...)
}

var secretFlag = regexp.MustCompile(`^--(api-key|secret)\b`)

// discreet is about secrets in arguments, which everybody sees who lists
// processes or may read Deployments.
func discreet(c corev1.Container) error {
	var errs []error
	hidden := secrets(c)
	for _, arg := range append(append([]string{}, c.Command...), c.Args...) {
		for _, ref := range reference.FindAllStringSubmatch(arg, -1) {
			if hidden[ref[1]] {
				errs = append(errs, fmt.Errorf("argument %q holds a secret", arg))
			}
		}
		if secretFlag.MatchString(arg) {
			errs = append(errs, fmt.Errorf("argument %q: secrets are for the environment", secretFlag.FindString(arg)))
		}
		_, value, _ := strings.Cut(arg, "=")
		if u, err := url.Parse(value); err == nil && u.User != nil {
			errs = append(errs, errors.New("an argument has a URL with credentials"))
		}
	}
	for _, v := range c.Env {
		u, err := url.Parse(reference.ReplaceAllString(v.Value, "x"))
		known := reference.MatchString(v.Value)
		if v.Value != "" && !known && (v.Name == "EDS_API_KEY" || v.Name == "EDS_WEBHOOK_SECRET" || err == nil && u.User != nil) {
			errs = append(errs, fmt.Errorf("variable %s holds a secret in the clear", v.Name))
		}
	}
	return errors.Join(errs...)
}

// given is the value of a flag, by argument or variable.
func given(c corev1.Container, flag string) (string, bool) {
	for _, arg := range c.Args {
		if arg == "--"+flag {
			return "", true
		}
		if value, ok := strings.CutPrefix(arg, "--"+flag+"="); ok {
			return value, true
		}
	}
	variable := "EDS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	for _, v := range c.Env {
		if v.Name == variable {
			return v.Value, true
		}
	}
	return "", false
}

// probed is about the probes, which must ask where --health-addr answers.
func probed(c corev1.Container) error {
	addr, ok := given(c, "health-addr")
	if !ok {
		return errors.New("has no --health-addr, which its probes need")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--health-addr: %w", err)
	}
	var errs []error
	if host != "" {
		errs = append(errs, fmt.Errorf("--health-addr %q: the kubelet asks the pod's address, so leave the host away", addr))
	}
	for _, probe := range []struct {
		name, path string
		is         *corev1.Probe
	}{{"livenessProbe", "/livez", c.LivenessProbe}, {"readinessProbe", "/readyz", c.ReadinessProbe}} {
		switch {
		case probe.is == nil || probe.is.HTTPGet == nil:
			errs = append(errs, fmt.Errorf("%s: is missing", probe.name))
		case probe.is.HTTPGet.Path != probe.path:
			errs = append(errs, fmt.Errorf("%s: must ask %s, not %s", probe.name, probe.path, probe.is.HTTPGet.Path))
		case portOf(c, probe.is.HTTPGet.Port) != port:
			errs = append(errs, fmt.Errorf("%s: asks port %s, and --health-addr is %s", probe.name, probe.is.HTTPGet.Port.String(), addr))
		}
	}
	return errors.Join(errs...)
}

// portOf is the number of a port, "" for a name that the container has not.
func portOf(c corev1.Container, p intstr.IntOrString) string {
	if p.Type == intstr.Int {
		return p.String()
	}
	for _, has := range c.Ports {
		if has.Name == p.StrVal {
			return strconv.Itoa(int(has.ContainerPort))
		}
	}
	return ""
}

// drained is about the time to end: SIGKILL must not come first.
func drained(w workload, c corev1.Container) error {
	drain := 20 * time.Second // the default
	if value, ok := given(c, "drain-timeout"); ok {
		var err error
		if drain, err = time.ParseDuration(value); err != nil {
			return fmt.Errorf("--drain-timeout: %w", err)
		}
	}
	grace := 30 * time.Second // Kubernetes' default
	if s := w.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	if grace < drain+afterDrain {
		return fmt.Errorf("terminationGracePeriodSeconds is %s: must be at least --drain-timeout and %s, %s", grace, afterDrain, drain+afterDrain)
	}
	return nil
}

// standing is about several receivers of one queue, of which one is connected.
func standing(w workload, c corev1.Container) error {
	if len(c.Args) == 0 || c.Args[0] != "relay" || w.replicas == nil || *w.replicas < 2 {
		return nil
	}
	if _, ok := given(c, "standby"); !ok {
		return fmt.Errorf("%d replicas relay without --standby", *w.replicas)
	}
	return nil
}

// oneStays is about updates and node drains: at least one pod is there.
func (s set) oneStays(w workload) error {
	replicas := 1
	switch {
	case w.replicas != nil:
		replicas = int(*w.replicas)
	default:
		for _, o := range s {
			if h, ok := o.data.(*autoscalingv2.HorizontalPodAutoscaler); ok && h.Spec.ScaleTargetRef.Name == w.GetName() && h.Spec.MinReplicas != nil {
				replicas = int(*h.Spec.MinReplicas)
			}
		}
	}
	if replicas < 2 {
		return fmt.Errorf("%s: one replica is none while its node is away", w.at)
	}
	if w.update == nil || w.update.MaxUnavailable == nil {
		return fmt.Errorf("%s: rollingUpdate.maxUnavailable: must be given", w.at)
	}
	gone, err := intstr.GetScaledValueFromIntOrPercent(w.update.MaxUnavailable, replicas, false)
	if err != nil {
		return fmt.Errorf("%s: rollingUpdate.maxUnavailable: %w", w.at, err)
	}
	if gone >= replicas {
		return fmt.Errorf("%s: an update may take all %d replicas at once", w.at, replicas)
	}
	for _, o := range s {
		b, ok := o.data.(*policyv1.PodDisruptionBudget)
		if !ok || !selects(b.Spec.Selector, w.pod.Labels) {
			continue
		}
		if b.Spec.MaxUnavailable == nil {
			return fmt.Errorf("%s: maxUnavailable: must be given, since it fits any number of replicas", o.at)
		}
		gone, err := intstr.GetScaledValueFromIntOrPercent(b.Spec.MaxUnavailable, replicas, true)
		if err != nil {
			return fmt.Errorf("%s: maxUnavailable: %w", o.at, err)
		}
		if gone < 1 || gone >= replicas {
			return fmt.Errorf("%s: maxUnavailable is %d of %d replicas: a node drain would never end, or take all", o.at, gone, replicas)
		}
		return nil
	}
	return fmt.Errorf("%s: no PodDisruptionBudget selects it", w.at)
}
