package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// delivered is how the pods of a session get their probe.
type delivered struct {
	manifests.Probe
	archs   []string           // it is to be built for; none: the image has it
	objects []manifests.Object // there before any pod with a probe is made; made by pack
}

// deliver decides how the probe gets into the pods.
func (s *session) deliver(ctx context.Context) error {
	request := s.delivery
	before := environment.Delivery{}
	if s.before != nil && s.before.Delivery != nil {
		before = *s.before.Delivery
	}
	// A plan goes on as it began.
	if way := deliver.Way(before.Way); request.Way == deliver.Auto {
		switch {
		case way == deliver.ConfigMap && request.Image == "":
			request.Way, request.Base = way, cmp.Or(request.Base, before.Image)
		case way == deliver.Image, way == deliver.Preloaded:
			request.Way, request.Image = way, cmp.Or(request.Image, before.Image)
		}
	}
	image, err := manifests.ProbeImage()
	if err != nil {
		return err
	}
	choice, err := deliver.Choose(ctx, s.c.Kube, request, image)
	if err != nil {
		return err
	}
	if is := string(choice.Way); before.Way != "" && is != before.Way {
		return plan.Inputf("--resume %s: the probe came by %s before and would come by %s now (%s), which are not to be mixed in one plan; accepted: --deliver %s", s.resume, before.Way, is, choice.Why, before.Way)
	}
	s.probe = delivered{Probe: manifests.Probe{Image: choice.Image}}
	s.env.Delivery = &environment.Delivery{Way: string(choice.Way), Image: cmp.Or(choice.Image, image)}
	if choice.Way != deliver.ConfigMap {
		s.say.line("the probe's image is %s (%s: %s)", s.env.Delivery.Image, choice.Way, choice.Why)
		return nil
	}
	s.probe.archs = choice.Archs
	s.say.line("the probe comes in ConfigMaps, for %s, on image %s (%s)", strings.Join(choice.Archs, " and "), choice.Image, choice.Why)
	return nil
}

// pack builds the probe and makes the objects that bring it.
func (s *session) pack(ctx context.Context) ([]manifests.Object, error) {
	p, err := deliver.Pack(ctx, s.owner, s.probe.archs, s.build, func(what string) { s.say.line("%s", what) })
	if err != nil {
		return nil, err
	}
	s.probe.Pieces, s.probe.objects = p.Names, p.Objects
	s.env.Delivery.Programs = p.Sums
	s.say.line("the probe is %d ConfigMaps of %.1f MB together", len(p.Names), float64(p.Bytes)/1e6)
	return p.Objects, nil
}

// createProbe creates what pods make their probe of.
func (s *session) createProbe(ctx context.Context) error {
	for _, o := range s.probe.objects {
		if err := s.c.Create(ctx, o); err != nil {
			return fmt.Errorf("deliver the probe: %w", err)
		}
	}
	return nil
}
