package main

import (
	"path"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is what makes pods.
type workload struct {
	object
	replicas *int32
	selector *metav1.LabelSelector
	pod      *corev1.PodTemplateSpec
	update   *appsv1.RollingUpdateDeployment // nil where there is none
}

// workloads are those of the set.
func (s set) workloads() []workload {
	var all []workload
	for _, o := range s {
		switch w := o.data.(type) {
		case *appsv1.Deployment:
			all = append(all, workload{o, w.Spec.Replicas, w.Spec.Selector, &w.Spec.Template, w.Spec.Strategy.RollingUpdate})
		case *appsv1.StatefulSet:
			all = append(all, workload{o, w.Spec.Replicas, w.Spec.Selector, &w.Spec.Template, nil})
		}
	}
	return all
}

// ofEDS are the containers that run our program.
func (w workload) ofEDS() []corev1.Container {
	var all []corev1.Container
	for _, c := range w.pod.Spec.Containers {
		image, _, _ := strings.Cut(path.Base(c.Image), ":")
		if image == "eds" {
			all = append(all, c)
		}
	}
	return all
}
