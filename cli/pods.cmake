# SPDX-License-Identifier: Apache-2.0
# The commands that start, enter, show and remove pods.
airlock_library(cli_pods
  SOURCES app_log.cc attach.cc app_streams.cc attached_streams.cc cmd_app.cc cmd_app_view.cc cmd_attach.cc cmd_cat_manifest.cc cmd_enter.cc cmd_export.cc cmd_gc.cc cmd_list.cc cmd_logs.cc
          cmd_prepare.cc cmd_rm.cc cmd_run.cc cmd_status.cc cmd_stop.cc detach.cc insecure_pods.cc journal.cc journal_reader.cc mutable_arguments.cc name_files.cc notifier.cc pod_access.cc
          pod_arguments.cc pod_declarations.cc pod_flags.cc pod_plan.cc pod_request.cc pod_values.cc pod_view.cc seccomp_groups.cc service_variables.cc
          stage1_choice.cc start_arguments.cc start_pod.cc stream_modes.cc stream_relay.cc terminal.cc
  USES base ipc sandbox image store cli audit_log)
airlock_test(cli_pods app_log_test.cc attach_test.cc journal_test.cc journal_reader_test.cc mutable_arguments_test.cc name_files_test.cc notifier_test.cc pod_arguments_test.cc pod_request_test.cc pod_view_test.cc stage1_choice_test.cc terminal_test.cc
  LIBRARIES cli_pods)
