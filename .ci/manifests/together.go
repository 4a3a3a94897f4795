package main

import (
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// together complains about what names something that is not there. The API
// server takes such manifests, and pods then never start, or nothing is
// selected.
func (s set) together() error {
	var errs []error
	complain := func(o object, format string, args ...any) {
		errs = append(errs, fmt.Errorf(o.at+": "+format, args...))
	}
	seen := map[string]bool{}
	for _, o := range s {
		if id := o.kind + " " + o.GetName(); seen[id] {
			complain(o, "is there twice")
		} else {
			seen[id] = true
		}
	}
	for _, w := range s.workloads() {
		if !selects(w.selector, w.pod.Labels) {
			complain(w.object, "its selector does not select its own pods")
		}
		if w.replicas != nil && s.scaled(w.kind, w.GetName()) {
			complain(w.object, "replicas is set, and an autoscaler sets it too: each apply would undo the other")
		}
		volumes := []string{}
		for _, v := range w.pod.Spec.Volumes {
			volumes = append(volumes, v.Name)
		}
		if set, ok := w.data.(*appsv1.StatefulSet); ok {
			for _, v := range set.Spec.VolumeClaimTemplates {
				volumes = append(volumes, v.Name)
			}
			if !seen["Service "+set.Spec.ServiceName] {
				complain(w.object, "its Service %q is not there", set.Spec.ServiceName)
			}
		}
		for _, t := range w.pod.Spec.TopologySpreadConstraints {
			if !selects(t.LabelSelector, w.pod.Labels) {
				complain(w.object, "a topologySpreadConstraint does not select its own pods")
			}
		}
		for _, c := range w.pod.Spec.Containers {
			for _, m := range c.VolumeMounts {
				if !slices.Contains(volumes, m.Name) {
					complain(w.object, "container %s mounts %q, which is no volume", c.Name, m.Name)
				}
			}
			if _, err := s.environment(c); err != nil {
				complain(w.object, "container %s: %w", c.Name, err)
			}
		}
	}
	for _, o := range s {
		switch d := o.data.(type) {
		case *corev1.Service:
			if !s.anyPod(&metav1.LabelSelector{MatchLabels: d.Spec.Selector}) {
				complain(o, "selects no pod")
				continue
			}
			for _, p := range d.Spec.Ports {
				if !s.listens(d.Spec.Selector, p.TargetPort) {
					complain(o, "no pod of it has a port %q", p.TargetPort.String())
				}
			}
		case *policyv1.PodDisruptionBudget:
			if !s.anyPod(d.Spec.Selector) {
				complain(o, "selects no pod")
			}
		case *autoscalingv2.HorizontalPodAutoscaler:
			if ref := d.Spec.ScaleTargetRef; !seen[ref.Kind+" "+ref.Name] {
				complain(o, "scales %s %s, which is not there", ref.Kind, ref.Name)
			}
		}
	}
	return errors.Join(errs...)
}

// scaled tells whether an autoscaler has the number of replicas.
func (s set) scaled(kind, name string) bool {
	return slices.ContainsFunc(s, func(o object) bool {
		h, ok := o.data.(*autoscalingv2.HorizontalPodAutoscaler)
		return ok && h.Spec.ScaleTargetRef.Kind == kind && h.Spec.ScaleTargetRef.Name == name
	})
}

func (s set) anyPod(selector *metav1.LabelSelector) bool {
	return slices.ContainsFunc(s.workloads(), func(w workload) bool { return selects(selector, w.pod.Labels) })
}

// listens tells whether a container of the pods has a port of that name; a
// number need not be named.
func (s set) listens(selector map[string]string, p intstr.IntOrString) bool {
	if p.Type == intstr.Int {
		return true
	}
	for _, w := range s.workloads() {
		for _, c := range w.pod.Spec.Containers {
			if selects(&metav1.LabelSelector{MatchLabels: selector}, w.pod.Labels) && portOf(c, p) != "" {
				return true
			}
		}
	}
	return false
}

// selects tells whether a selector, which must say something, selects a pod.
func selects(selector *metav1.LabelSelector, of map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && !s.Empty() && s.Matches(labels.Set(of))
}
