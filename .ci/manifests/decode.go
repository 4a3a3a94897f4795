package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
)

// object is one document of a manifest.
type object struct {
	at   string // file, kind and name
	kind string
	metav1.Object
	data runtime.Object
}

type set []object

// strict reads a document as the API server does, and refuses fields that it
// does not know, or that are there twice.
var strict = sync.OnceValues(func() (*json.Serializer, error) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(known); err != nil {
			return nil, err
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, known, known, json.SerializerOptions{Yaml: true, Strict: true}), nil
})

// decode reads the documents of a file. Its error joins all complaints; what
// could be read is returned all the same.
func decode(file, text string) (set, error) {
	reader, err := strict()
	if err != nil {
		return nil, err
	}
	var all set
	var errs []error
	for i, document := range strings.Split("\n"+text, "\n---") {
		if blank(document) {
			continue
		}
		data, kind, err := reader.Decode([]byte(document), nil, nil)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, document %d: %w", file, i+1, err))
			continue
		}
		meta, ok := data.(metav1.Object)
		if !ok {
			errs = append(errs, fmt.Errorf("%s, document %d: %s has no name", file, i+1, kind.Kind))
			continue
		}
		o := object{at: file + ": " + kind.Kind + " " + meta.GetName(), kind: kind.Kind, Object: meta, data: data}
		for _, wrong := range validation.IsDNS1123Subdomain(meta.GetName()) {
			errs = append(errs, fmt.Errorf("%s: name: %s", o.at, wrong))
		}
		all = append(all, o)
	}
	return all, errors.Join(errs...)
}

// blank tells whether there is nothing but comments.
func blank(document string) bool {
	for line := range strings.Lines(document) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}
